//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// prober is the part of a probe's handler that is read.
type prober struct {
	HTTPGet *struct {
		Path string
		Port int
	}
	TCPSocket *struct{ Port int }
}

// asAgent serves the other containers' probes as the agent in Istio's proxy does: what the variable
// ISTIO_KUBE_APP_PROBERS names, under the paths it gives them.
func asAgent(port int) error {
	var probers map[string]prober
	if text := os.Getenv("ISTIO_KUBE_APP_PROBERS"); text != "" {
		if err := json.Unmarshal([]byte(text), &probers); err != nil {
			return fmt.Errorf("ISTIO_KUBE_APP_PROBERS: %w", err)
		}
	}
	return http.ListenAndServe(":"+strconv.Itoa(port), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := probers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := ask(p); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}))
}

// ask does what the kubelet would.
func ask(p prober) error {
	const patience = time.Second
	local := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	if p.TCPSocket != nil {
		c, err := net.DialTimeout("tcp", local(p.TCPSocket.Port), patience)
		if err != nil {
			return err
		}
		return c.Close()
	}
	client := http.Client{Timeout: patience}
	response, err := client.Get("http://" + local(p.HTTPGet.Port) + p.HTTPGet.Path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
