package inject

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/imageconfig"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// Found is what a lookup of an image came to: the image, or the error that says why not.
type Found struct {
	Image *imageconfig.Image
	Err   error
}

// entry is what the image of a container without a command runs. The zero value is of one with a command.
type entry struct {
	// words are in front of the args, the same on all platforms; otherwise platforms has them by architecture.
	words     []string
	platforms map[string][]string
	// unknown says why there is neither; while that is being looked up it is empty, too.
	unknown  string
	recorded *plan.EntryPoint
}

// command is what the container's shim starts, in front of its args.
func (c *part) command() []string {
	if len(c.user.Command) > 0 {
		return c.user.Command
	}
	words := make([]string, len(c.entry.words))
	for i, word := range c.entry.words {
		words[i] = literally(word)
	}
	return words
}

// literally is a word of a command that the kubelet leaves as it is: it expands $(VAR) and $$ in a container's
// command, and not in the image's.
func literally(word string) string { return strings.ReplaceAll(word, "$", "$$") }

// flags tell the shim what to start on which platform.
func (e *entry) flags() (flags []string) {
	if e.platforms == nil {
		return nil
	}
	for _, architecture := range slices.Sorted(maps.Keys(e.platforms)) {
		words := slices.Clone(e.platforms[architecture])
		for i := range words {
			words[i] = strconv.Quote(words[i])
		}
		flags = append(flags, "--entry="+architecture+"="+literally(strings.Join(words, " ")))
	}
	return flags
}

// image is what the container is to have.
func (c *part) image() string {
	if r := c.entry.recorded; r != nil && r.Pinned {
		return withDigest(r.Image, r.Digest)
	}
	return c.user.Image
}

func withDigest(image, digest string) string { return image + "@" + digest }

// findEntryPoints finds what the containers without a command run that need a shim, here or in a twin.
func (inj *injection) findEntryPoints(root *field.Path) (errs field.ErrorList) {
	replayed := !inj.byNewSandbox() && inj.initScripts() == ""
	for i := range inj.parts {
		c := &inj.parts[i]
		if len(c.user.Command) > 0 || !c.compiled.Wrapped && (c.compiled.Replay == nil || !replayed) {
			continue
		}
		if text, ok := inj.user.Metadata.Annotations[api.EntryPointPrefix+c.user.Name]; ok {
			if err := c.annotated(text, root); err != nil {
				errs = append(errs, err)
			}
			continue
		}
		found, ok := inj.opts.entryPoint(inj.live, c.user.Image)
		switch {
		case ok && found.Err != nil:
			c.entry.unknown = found.Err.Error()
		case ok:
			c.lookedUp(found.Image, inj.pins())
		default:
			if !slices.Contains(inj.lookups, c.user.Image) {
				inj.lookups = append(inj.lookups, c.user.Image)
			}
		}
	}
	return errs
}

// errNotLookedUp is what is found where images are not looked up.
var errNotLookedUp = errors.New("images are not looked up here")

func (o *Options) entryPoint(pod *manifest.Pod, image string) (found Found, known bool) {
	if o.EntryPoint == nil {
		return Found{Err: errNotLookedUp}, true
	}
	return o.EntryPoint(pullSecrets(pod), image)
}

// annotated takes the entry point from the annotation.
func (c *part) annotated(text string, root *field.Path) *field.Error {
	words, ok := words(text)
	if !ok {
		c.entry.words = []string{"invalid"} // and known, so that this is the only error
		return field.Invalid(root.Child("metadata").Child("annotations").Key(api.EntryPointPrefix+c.user.Name), text,
			`expected the image's entry point, a JSON array of words, for example ["python", "train.py"]`)
	}
	c.entry.words = words
	c.entry.recorded = &plan.EntryPoint{Image: c.user.Image, Command: words}
	return nil
}

// words reads the annotation's value.
func words(text string) (list []string, ok bool) {
	err := json.Unmarshal([]byte(text), &list)
	return list, err == nil && len(list) > 0 && list[0] != "" && !strings.Contains(strings.Join(list, ""), "\x00")
}

// lookedUp takes the entry point from the image.
func (c *part) lookedUp(image *imageconfig.Image, pin bool) {
	hasArgs := len(c.user.Args) > 0
	r := &plan.EntryPoint{Image: c.user.Image, Digest: image.Digest, Pinned: pin && !strings.Contains(c.user.Image, "@")}
	command, agreed := image.Agreed(hasArgs)
	if agreed {
		if len(command) == 0 && !hasArgs {
			c.entry.unknown = "the image has neither ENTRYPOINT nor CMD"
			return
		}
		c.entry.words, r.Command = command, command
	} else {
		r.Platforms = map[string][]string{}
		for _, p := range image.Platforms {
			r.Platforms[p.Architecture] = p.Process.Command(hasArgs)
		}
		c.entry.platforms = r.Platforms
	}
	c.entry.recorded = r
}

// pins reports whether images that were looked up are pinned to what was found.
func (inj *injection) pins() bool {
	switch inj.user.Metadata.Annotations[api.PinDigestAnnotation] {
	case "true":
		return true
	case "false":
		return false
	default:
		return inj.opts.PinDigests
	}
}

// entryPointWarnings tell where an image is not the same everywhere.
func (inj *injection) entryPointWarnings() (warnings []string) {
	for i := range inj.parts {
		if c := &inj.parts[i]; c.entry.platforms != nil {
			warnings = append(warnings, fmt.Sprintf("container %q: what its image runs differs between %s; its shim chooses where it starts",
				c.user.Name, strings.Join(slices.Sorted(maps.Keys(c.entry.platforms)), " and ")))
		}
	}
	return warnings
}

// withoutEntryPoint is the container without the command that came from its image, and the image as its user
// wrote it.
func withoutEntryPoint(c manifest.Container, entry *plan.Container) manifest.Container {
	e := entry.EntryPoint
	if entry.Wrapped {
		c.Command = nil
	}
	if e.Pinned && c.Image == withDigest(e.Image, e.Digest) {
		c.Image = e.Image
	}
	return c
}

func pullSecrets(pod *manifest.Pod) (names []string) {
	for _, reference := range pod.Spec.ImagePullSecrets {
		if reference.Name != "" {
			names = append(names, reference.Name)
		}
	}
	return names
}

// entryPoint looks at a new image of a container whose command is that of the old. It can't be changed any more.
func (u *update) entryPoint(pointer string, path *field.Path, c, was *manifest.Container, entry *plan.Container) {
	e := entry.EntryPoint
	if e == nil || e.Digest == "" || c.Image == was.Image {
		return
	}
	if e.Pinned && c.Image == e.Image {
		u.patch.replace(pointer+"/image", was.Image) // an unchanged manifest changes nothing
		return
	}
	found, ok := u.opts.entryPoint(u.pod, c.Image)
	switch {
	case !ok:
		u.lookups = append(u.lookups, c.Image)
	case found.Err != nil:
		u.unchecked(c, found.Err.Error())
	case !sameCommand(e, found.Image, len(c.Args) > 0):
		u.errs = append(u.errs, field.Forbidden(path.Child("image"), fmt.Sprintf(
			"image %s has another entry point than the one that container %q was created with (image %s), which can't be changed in a Pod: delete the Pod and create it again",
			c.Image, c.Name, e.Image)))
	}
}

func (u *update) unchecked(c *manifest.Container, cause string) {
	u.warnings = append(u.warnings, truncate(fmt.Sprintf("container %q goes on with the entry point of its old image: whether %s has the same could not be checked: %s", c.Name, c.Image, cause)))
}

func sameCommand(e *plan.EntryPoint, image *imageconfig.Image, hasArgs bool) bool {
	for _, p := range image.Platforms {
		want := e.Command
		if e.Platforms != nil {
			want = e.Platforms[p.Architecture]
		}
		if !slices.Equal(want, p.Process.Command(hasArgs)) {
			return false
		}
	}
	return true
}
