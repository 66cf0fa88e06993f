"""The RPCs of the gateway: plain asynchronous servicers that know nothing of their host."""
