// Cluster boots a real Kubernetes of one node from source, on a Linux machine with root and without a registry.
package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/e2e/cluster/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// flags are those that all commands have.
type flags struct {
	name, version, gates string
	wait                 time.Duration
}

func rootCommand() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "A real Kubernetes of one node, built from source",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	p := root.PersistentFlags()
	p.StringVar(&f.name, "name", node.DefaultName, "which cluster")
	p.StringVar(&f.version, "version", node.DefaultVersion, "of Kubernetes")
	p.StringVar(&f.gates, "feature-gates", "", "of all components, like Name=true,Other=false; default from 1.35 on: "+node.DefaultGates("1.35.0").String())
	p.DurationVar(&f.wait, "wait", node.DefaultWait, "how long the cluster may take to be ready, without the build")
	root.AddCommand(upCommand(&f), downCommand(&f), kubeconfigCommand(&f), loadImageCommand(&f), buildCommand(&f), packagesCommand(), imageCommand())
	return root
}

func (f *flags) options(cmd *cobra.Command) (node.Options, error) {
	o := node.Options{Name: f.name, Version: f.version, Wait: f.wait, Out: cmd.ErrOrStderr()}
	if !cmd.Flags().Changed("feature-gates") {
		return o, nil
	}
	// Given and empty is not the same as not given.
	var err error
	o.FeatureGates, err = node.ParseGates(f.gates)
	return o, err
}

func upCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Make the cluster, unless it is there and healthy",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			c, err := node.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "cluster %s is up\nexport KUBECONFIG=%s\nkubectl: %s\n", c, c.Kubeconfig(), c.Kubectl())
			return nil
		},
	}
}

func downCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the cluster and remove all of it but the binaries",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return node.Down(cmd.Context(), f.name, cmd.ErrOrStderr())
		},
	}
}

func kubeconfigCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := node.Open(f.name)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), c.Kubeconfig())
			return nil
		},
	}
}

func loadImageCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "load-image FILE.tar...",
		Short: "Import image archives into the cluster",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			c, err := node.Open(f.name)
			if err != nil {
				return err
			}
			for _, archive := range archives {
				if err := c.LoadImage(cmd.Context(), archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func buildCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Only build the binaries that the cache lacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binaries, err := build.Ensure(cmd.Context(), f.version, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n%s\n", binaries.Kubernetes, binaries.Containerd, binaries.Etcd)
			return nil
		},
	}
}

func packagesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "packages",
		Short: "Install what the distribution has to provide and the machine lacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return node.InstallPackages(cmd.Context(), cmd.ErrOrStderr())
		},
	}
}

func imageCommand() *cobra.Command {
	var i image.Image
	var output string
	cmd := &cobra.Command{
		Use:   "image --tag=NAME:TAG --output=FILE.tar PATH=SOURCE...",
		Short: "Write an image archive of files",
		Long: `Write an image archive of files. Each argument is a path in the image and what is there:
PATH=FILE a file of this machine, PATH=link:TARGET a symbolic link, PATH=dir: a directory that everybody may write to.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			for _, arg := range args {
				file, err := parseFile(arg)
				if err != nil {
					return err
				}
				i.Files = append(i.Files, file)
			}
			return i.WriteFile(output)
		},
	}
	p := cmd.Flags()
	p.StringVar(&i.Name, "tag", "", "name and tag of the image")
	p.StringVar(&output, "output", "", "the archive")
	p.StringVar(&i.User, "user", "", "uid[:gid]; default root")
	p.StringArrayVar(&i.Entrypoint, "entrypoint", nil, "a word of the entrypoint; repeat it")
	p.StringArrayVar(&i.Cmd, "cmd", nil, "a word of the default arguments; repeat it")
	p.StringArrayVar(&i.Env, "env", nil, "KEY=value; repeat it")
	for _, required := range []string{"tag", "output"} {
		cobra.CheckErr(cmd.MarkFlagRequired(required))
	}
	return cmd
}

func parseFile(arg string) (image.File, error) {
	path, source, ok := strings.Cut(arg, "=")
	if !ok || path == "" || source == "" {
		return image.File{}, fmt.Errorf("file %q: want PATH=FILE, PATH=link:TARGET, or PATH=dir: for a directory", arg)
	}
	if target, ok := strings.CutPrefix(source, "link:"); ok {
		return image.Symlink(path, target), nil
	}
	if source == "dir:" {
		return image.Directory(path, 0o777|fs.ModeSticky), nil
	}
	return image.Regular(path, source), nil
}
