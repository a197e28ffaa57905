"""HTTP/1.1 on both sides of the gateway: a pool of lines to upstreams, and the door that clients come in by."""
