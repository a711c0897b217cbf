//go:build e2e

package reports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/cluster/node"
)

// proxy is what kube-proxy is elsewhere, for the webhook's Service only: the cluster has none. It listens at this
// machine's end of the node's link, which Pods reach.
type proxy struct {
	net.Listener
	api kubernetes.Interface
	all sync.WaitGroup
}

// newProxy begins to pass on what comes to port 443 of ip.
func newProxy(ctx context.Context, api kubernetes.Interface) (p *proxy, err error) {
	p = &proxy{api: api}
	n, err := api.CoreV1().Nodes().Get(ctx, node.NodeName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	ip, err := neighbourOf(n)
	if err != nil {
		return nil, err
	}
	if p.Listener, err = net.Listen("tcp", net.JoinHostPort(ip.String(), "443")); err != nil {
		return nil, err
	}
	p.all.Go(func() {
		for {
			connection, err := p.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				p.all.Go(func() { p.pass(connection) })
			}
		}
	})
	return p, nil
}

// ip is where it listens.
func (p *proxy) ip() string { return p.Addr().(*net.TCPAddr).IP.String() }

func (p *proxy) close() error {
	err := p.Close()
	p.all.Wait()
	return err
}

// neighbourOf is this machine's address in the network that the node is in.
func neighbourOf(n *corev1.Node) (net.IP, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		own, ok := a.(*net.IPNet)
		for _, its := range n.Status.Addresses {
			if ok && its.Type == corev1.NodeInternalIP && own.Contains(net.ParseIP(its.Address)) {
				return own.IP, nil
			}
		}
	}
	return nil, fmt.Errorf("this machine is in no network of node %s", n.Name)
}

// pass passes a connection on. Where there is no endpoint it ends at once.
func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	address := p.endpoint()
	if address == "" {
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

// endpoint is one of the Service's that is ready, or "".
func (p *proxy) endpoint() string {
	slices, err := p.api.DiscoveryV1().EndpointSlices(system).List(context.Background(), metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + deployment})
	if err != nil {
		return ""
	}
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			for _, e := range slice.Endpoints {
				if port.Name != nil && *port.Name == portName && e.Conditions.Ready != nil && *e.Conditions.Ready {
					return net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*port.Port)))
				}
			}
		}
	}
	return ""
}
