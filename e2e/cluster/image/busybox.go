package image

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
)

// Busybox is the distribution's static busybox in /bin with all its applets, and a /tmp: all that a
// test image needs where there is no registry. The error is exec.ErrNotFound if it is not installed.
func Busybox(ctx context.Context) ([]File, error) {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("install the package busybox-static: %w", err)
	}
	applets, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", program, err)
	}
	files := []File{Regular("/bin/busybox", program), Directory("/tmp", 0o777|fs.ModeSticky)}
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "busybox" {
			files = append(files, Symlink("/bin/"+applet, "busybox"))
		}
	}
	return files, nil
}
