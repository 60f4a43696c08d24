#!/usr/bin/env nextflow
// An archive by Nextflow: one task a shard, then all parts together. Research use only.
//
//   nextflow run archive.nf --manifest /scratch/manifest.parquet --out /scratch/results --shards 16
//
// Never run: there was no Nextflow. Written by its documentation (DSL2).
//
// Results go into --out and not through Nextflow's work folders: there they are kept from one run to the next, so
// that --resume of bacctl finds what is done, also where -resume of Nextflow begins a task anew.

params.manifest = null
params.out = null
params.shards = 16

process RUN_SHARD {
    tag "${shard}/${params.shards}"
    cpus 4
    memory '8 GB'
    // Told to end, or killed: it goes on where it stood. 1 is a server that was away for hours, 2 wrong usage.
    errorStrategy { task.exitStatus in [130, 137, 143] ? 'retry' : 'finish' }
    maxRetries 5

    input:
    val shard

    output:
    val shard

    script:
    """
    bacctl archive run '${params.manifest}' --out '${params.out}' --shard ${shard}/${params.shards} --resume
    """
}

process MERGE {
    input:
    val shards

    script:
    """
    bacctl archive merge '${params.out}' --out '${params.out}/results.parquet'
    """
}

workflow {
    if (!params.manifest || !params.out) {
        error "give --manifest FILE and --out FOLDER, both absolute"
    }
    RUN_SHARD(channel.of(0..(params.shards as int) - 1))
    MERGE(RUN_SHARD.out.collect())
}
