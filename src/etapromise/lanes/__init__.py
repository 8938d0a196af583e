"""Where a shipment belongs: levels from the network to a lane, their keys, who brings a parcel."""
