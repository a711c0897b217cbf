package node

import (
	"errors"
	"net/netip"
)

// Cluster i has 10.(60+i).0.0/16. The services' 10.96.0.0/16 is the same in all of them, it does not leave the node.
const (
	firstSubnet   = 60
	subnets       = 30
	serviceIP     = "10.96.0.1"
	serviceSubnet = "10.96.0.0/16"
)

// A subnet is the range of addresses of one cluster.
type subnet struct {
	All  netip.Prefix
	Host netip.Addr // the host's end of the link to the node
	Node netip.Addr
	Pods netip.Prefix
}

func subnetOf(index int) subnet {
	at := func(third, fourth byte) netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(firstSubnet + index), third, fourth})
	}
	return subnet{
		All:  netip.PrefixFrom(at(0, 0), 16),
		Host: at(0, 254),
		Node: at(0, 1),
		Pods: netip.PrefixFrom(at(1, 0), 24),
	}
}

// freeIndex is the first index whose subnet overlaps with nothing that is taken.
func freeIndex(taken []netip.Prefix) (int, error) {
next:
	for index := range subnets {
		all := subnetOf(index).All
		for _, prefix := range taken {
			if prefix.Overlaps(all) {
				continue next
			}
		}
		return index, nil
	}
	return 0, errors.New("no free subnet: the host has routes or addresses in each of 10.60.0.0/16 to 10.89.0.0/16; take a cluster down")
}
