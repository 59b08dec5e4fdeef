"""`make demo`: the example, deployed to an AWS on this machine, with commands travelling through it."""
