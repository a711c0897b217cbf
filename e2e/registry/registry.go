// Package registry runs a real OCI registry (github.com/distribution/distribution) as a process of this machine, with
// TLS by an authority of its own and with names and passwords, and fills it with images.
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/pki"
)

const (
	// startTimeout is how long it may take to answer after its start.
	startTimeout = 30 * time.Second
	lookAgain    = 50 * time.Millisecond
)

// User is one who may pull and push. The registry keeps passwords by bcrypt, which is no part of the standard
// library: hash is made beforehand.
type User struct{ Name, Password, hash string }

// Users of every registry.
var (
	Alice = User{"alice", "a password of the tests", "$2a$04$rPcqqp9IiTtamrVB93TVMOd5Ohici4ERxEanutr2n7TBrdwRNGQdK"}
	Bob   = User{"bob", "another password of the tests", "$2a$04$32zN1R7qb8Yj0jSanhxGROUBC07G3FFPHALJEYO6d0WCgnZRWiVBW"}
)

// Options say how a registry is run.
type Options struct {
	// Dir is a directory for all its files.
	Dir string
	// Host is the address of this machine that it listens at and that its images are called by. Its port is a free one.
	Host netip.Addr
	// Out is told about the build, if there is one.
	Out io.Writer
}

// Registry is one that runs.
type Registry struct {
	// Address is HOST:PORT, with which the names of its images begin.
	Address string
	// Authority is the certificate, PEM, by which clients know it.
	Authority []byte

	client  *http.Client
	command *exec.Cmd
	stdin   io.Closer
	ended   chan error
}

//go:embed config.yaml.tmpl
var files embed.FS

var configuration = template.Must(template.ParseFS(files, "config.yaml.tmpl"))

// Start runs a registry, which it builds if the cache lacks it, and returns when it answers. It ends with Stop, or with
// this process. The context is only that of the start.
func Start(ctx context.Context, o Options) (*Registry, error) {
	program, err := build.EnsureRegistry(ctx, o.Out)
	if err != nil {
		return nil, err
	}
	r := &Registry{}
	if r.Address, err = freeAddress(o.Host); err != nil {
		return nil, fmt.Errorf("registry at %s: %w", o.Host, err)
	}
	if err := r.writeFiles(o); err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.Address, err)
	}
	if err := r.start(program, o.Dir); err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.Address, err)
	}
	if err := r.wait(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("registry %s: %w (log: %s)", r.Address, err, filepath.Join(o.Dir, "log")), r.Stop())
	}
	return r, nil
}

func freeAddress(host netip.Addr) (string, error) {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// writeFiles writes what the registry reads.
func (r *Registry) writeFiles(o Options) error {
	authority, err := pki.NewAuthority("restartrules-registry")
	if err != nil {
		return err
	}
	server, err := authority.Issue(pki.Subject{User: "registry", IPs: []net.IP{o.Host.AsSlice()}})
	if err != nil {
		return err
	}
	r.Authority = authority.Certificate
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Certificate)
	r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}

	users := ""
	for _, u := range []User{Alice, Bob} {
		users += u.Name + ":" + u.hash + "\n"
	}
	for name, text := range map[string][]byte{"tls.crt": server.Certificate, "tls.key": server.Key, "htpasswd": []byte(users)} {
		if err := os.WriteFile(filepath.Join(o.Dir, name), text, 0o600); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(o.Dir, "config.yaml"))
	if err != nil {
		return err
	}
	return errors.Join(configuration.Execute(file, map[string]string{"Dir": o.Dir, "Address": r.Address}), file.Close())
}

func (r *Registry) start(program, dir string) error {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	r.command = exec.Command(program, "serve", filepath.Join(dir, "config.yaml"))
	r.command.Stdout, r.command.Stderr = log, log
	r.command.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	if r.stdin, err = r.command.StdinPipe(); err != nil {
		return err
	}
	if err := r.command.Start(); err != nil {
		return err
	}
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.command.Wait() }()
	return nil
}

// wait returns when the registry answers.
func (r *Registry) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := r.do(ctx, http.MethodGet, "/v2/", "", nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case err := <-r.ended:
			r.ended <- err // for Stop
			return fmt.Errorf("it ended: %w", err)
		case <-time.After(lookAgain):
		}
	}
}

// Stop ends the registry. Its files stay.
func (r *Registry) Stop() error {
	_ = r.stdin.Close() // that is what ends it; it may have ended before
	return <-r.ended
}
