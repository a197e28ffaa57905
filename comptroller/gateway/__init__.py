"""The gateway: one door for every agent in any language, the same flow behind it."""
