"""The companion papers' toy problems: small linear networks."""
