"""Messages in Redis, and what happens to reports while Redis is away."""
