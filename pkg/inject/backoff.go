package inject

import "restartrules.dev/pkg/manifest"

// raiseBackoffs has nothing that restarts in place wait less than the installation's least. What the kubelet restarts has
// the kubelet's back-off.
func (inj *injection) raiseBackoffs() {
	for i := range inj.parts {
		if p := &inj.parts[i]; p.compiled.Wrapped {
			p.backoff, p.raised = inj.raise(p.backoff)
		}
	}
	if inj.compiled.WholePod {
		inj.restartAll.Backoff, inj.restartAllRaised = inj.raise(inj.restartAll.Backoff)
	}
}

// raise gives the back-off, nil for the default, that is not below the least, and whether the user wrote another.
func (inj *injection) raise(own *manifest.Backoff) (raised *manifest.Backoff, wrote bool) {
	b := manifest.DefaultBackoff
	if own != nil {
		b = *own
	}
	if b.AtLeast(inj.opts.MinBackoff) == b {
		return own, false
	}
	return new(b.AtLeast(inj.opts.MinBackoff)), own != nil
}

// warnRaised says where a back-off is not what the user wrote.
func (inj *injection) warnRaised(warn func(format string, args ...any)) {
	const why = "the Configuration of Restart Rules in this cluster allows none below %s (rules.minBackoff)"
	for i := range inj.parts {
		if p := &inj.parts[i]; p.raised {
			warn("container %q: its backoff becomes %s: "+why, p.user.Name, p.backoff, manifest.ShortDuration(inj.opts.MinBackoff))
		}
	}
	if inj.restartAllRaised {
		warn("the backoff of restartAllContainers becomes %s: "+why, inj.restartAll.Backoff, manifest.ShortDuration(inj.opts.MinBackoff))
	}
}
