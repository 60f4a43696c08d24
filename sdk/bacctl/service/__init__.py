"""What runs inside the server: the steps' requests and answers, and whose answer it is."""
