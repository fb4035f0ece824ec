"""What a message is: reports, records, counters and Meta's error codes. Pure: no I/O."""
