"""Makes calls: connections, retries and the shared rate limit."""
