"""Ways to a server: gRPC for threads and for event loops, and a server of one's own."""
