package watcher

import (
	"os"
	"path/filepath"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher/machine"
)

// unjournaled is what is known without a journal. It may be lost, or the disk may have been full when it was to be made, while
// containers run: nothing is to be started beside those that have only not connected yet. Of whom an attempt file is there, the
// machine waits for as for those that a journal says were there last.
func (v Volume) unjournaled(members []*plan.Container) *machine.Record {
	r := &machine.Record{Source: -1, Members: make([]machine.Memory, len(members))}
	for i, c := range members {
		_, err := os.Stat(filepath.Join(v.Root, api.AttemptsDir, c.Name, c.Name+".json"))
		r.Members[i].Alive = err == nil
	}
	return r
}
