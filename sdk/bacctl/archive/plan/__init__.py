"""A fleet that is not there yet, simulated: how many servers an archive takes, how long exams of a day wait.

`bacctl.archive.plan.answers` has the answers, `bacctl.archive.plan.run` one run of the simulation, and
`bacctl.archive.plan.times` what it is fed with.
"""
