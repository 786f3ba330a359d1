"""Why a deployment is as fast as it is: evidence of its own trial, in words; pure."""
