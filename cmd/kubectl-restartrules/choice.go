package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is the value of a flag that has only a few (a pflag.Value).
type choice struct {
	value  string
	values []string
}

// addFlag adds the flag -o; the first value is the default.
func (c *choice) addFlag(cmd *cobra.Command, values ...string) {
	c.value, c.values = values[0], values
	c.add(cmd, "output", "o", "Form of the output: "+strings.Join(values, ", ")+".")
}

func (c *choice) add(cmd *cobra.Command, name, short, usage string) {
	cmd.Flags().VarP(c, name, short, usage)
	complete := cobra.FixedCompletions(c.values, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc(name, complete) // only fails without the flag
}

// Set takes one of the values.
func (c *choice) Set(value string) error {
	if !slices.Contains(c.values, value) {
		return fmt.Errorf("must be one of %s", strings.Join(c.values, ", "))
	}
	c.value = value
	return nil
}

func (c *choice) String() string { return c.value }

// Type is what --help shows in place of the value.
func (c *choice) Type() string { return "string" }
