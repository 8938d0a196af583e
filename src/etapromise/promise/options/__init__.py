"""Several ways, several parcels: compared, ranked by a policy, sourced, one date for an order."""
