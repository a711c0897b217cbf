// Command release makes what is handed out: images for several architectures in a registry, manifests and a chart that
// name them by digest, and what says what is in them. The Makefile has the targets.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"restartrules.dev/release/chart"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var r release
	var architectures, pluginURL string
	command := &cobra.Command{
		Use: "release", Short: "Make what is handed out", SilenceUsage: true, SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) { r.architectures = strings.Fields(architectures) },
	}
	flags := command.PersistentFlags()
	flags.StringVar(&r.root, "root", "..", "The repository's directory.")
	flags.StringVar(&r.registry, "registry", "", "Where the images go, for example registry.example.com/restartrules.")
	flags.StringVar(&r.tag, "tag", "dev", "Tag of the images, version of the chart's application.")
	flags.StringVar(&architectures, "architectures", "amd64 arm64", "Architectures, as Go calls them.")
	flags.StringVar(&pluginURL, "plugin-url", "", "Below which address the plugin's archives will be.")
	add := func(use, short string, run func(ctx context.Context) error) {
		command.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) }})
	}
	add("images", "Write the images as OCI layouts to bin/release/images", func(context.Context) error { return r.writeImages() })
	add("push", "Push the images and print their digests", func(ctx context.Context) error { return r.push(ctx, os.Stdout) })
	add("manifests", "Write manifests and chart to bin/release", func(context.Context) error { return r.manifests() })
	add("sbom", "Write what the images hold to bin/release/sbom", func(context.Context) error { return r.sbom() })
	add("licenses", "Write the licences of what the images hold beside the binaries", func(context.Context) error { return r.licenses() })
	add("plugin", "Write the kubectl plugin's archives and krew's manifest to bin/release/plugin", func(context.Context) error { return r.plugin(pluginURL) })
	add("chart", "Bring what the chart takes from the manifests up to date", func(context.Context) error {
		files, err := chart.Files(filepath.Join(r.root, "manifests"))
		if err != nil {
			return err
		}
		return chart.Write(filepath.Join(r.root, "charts", "restartrules"), files)
	})
	return command
}
