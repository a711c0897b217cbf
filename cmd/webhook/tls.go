package main

import (
	"crypto/tls"
	"fmt"

	"github.com/spf13/pflag"
)

// A tlsVersion is the value of --tls-min-version, as crypto/tls has it.
type tlsVersion uint16

var _ pflag.Value = (*tlsVersion)(nil)

func (v *tlsVersion) String() string {
	if *v == tls.VersionTLS12 {
		return "1.2"
	}
	return "1.3"
}

func (v *tlsVersion) Set(text string) error {
	switch text {
	case "1.2":
		*v = tls.VersionTLS12
	case "1.3":
		*v = tls.VersionTLS13
	default:
		return fmt.Errorf("%q, must be 1.2 or 1.3", text)
	}
	return nil
}

func (v *tlsVersion) Type() string { return "version" }
