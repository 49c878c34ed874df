"""The signer: a child process that alone holds the data key, and its client in the daemon."""
