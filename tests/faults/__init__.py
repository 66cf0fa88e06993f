"""What FLUX promises under faults: the protocol checked whole, and the real processes killed, cut off and raced."""
