package differential

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// roots are the paths of the templates; nil is that of a Pod.
var roots = []*field.Path{
	nil, nil, nil, nil,
	field.NewPath("spec", "template"),
	field.NewPath("spec", "jobTemplate", "spec", "template"),
	field.NewPath("template"),
}

// A sample is a Pod or a template as JSON.
type sample struct {
	root *field.Path
	json []byte
	// outsideInt32 says that a value of a rule is a number that an int32 can't have.
	outsideInt32 bool
}

// A generator makes samples that are valid but for their containers' restartPolicy and restartPolicyRules.
type generator struct {
	*rand.Rand
	// wrong says that the sample may be invalid, restartAll that it may have the action RestartAllContainers.
	wrong, restartAll bool
	outsideInt32      bool
}

type object map[string]any

// generate makes the sample of this number: always the same.
func generate(seed, number uint64) sample {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, number))}
	g.wrong, g.restartAll = g.chance(72), g.chance(35)
	root := pick(g, roots...)
	o := object{"metadata": object{"name": "p", "namespace": "n", "labels": object{"a": "b"}}, "spec": g.spec()}
	if root == nil {
		o["apiVersion"], o["kind"] = "v1", "Pod"
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // maps, strings and numbers
	}
	return sample{root: root, json: text, outsideInt32: g.outsideInt32}
}

// chance is true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// mistake is true in so many of a hundred cases where the sample may be invalid.
func (g *generator) mistake(percent int) bool { return g.wrong && g.chance(percent) }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) spec() object {
	spec := object{"volumes": []object{{"name": "data", "emptyDir": object{}}}}
	if g.chance(75) {
		spec["restartPolicy"] = pick(g, "Always", "OnFailure", "Never")
	}
	if g.chance(10) {
		spec["terminationGracePeriodSeconds"] = g.IntN(100)
	}
	list := func(prefix string, n int, make func(name string) object) (containers []object) {
		for i := range n {
			containers = append(containers, make(fmt.Sprint(prefix, i)))
		}
		return containers
	}
	spec["containers"] = list("c", 1+g.IntN(3), g.regular)
	if n := g.IntN(4); n > 0 {
		spec["initContainers"] = list("i", n, g.init)
	}
	if g.chance(8) {
		spec["ephemeralContainers"] = list("e", 1+g.IntN(2), g.ephemeral)
	}
	return spec
}

// container has what any container may have, without the fields of restarts.
func (g *generator) container(name string) object {
	c := object{"name": name, "image": "registry.example/" + name + ":1"}
	if g.chance(50) {
		c["command"], c["args"] = []string{"python"}, []string{"train.py"}
	}
	if g.chance(20) {
		c["env"] = []object{{"name": "A", "value": "b"}}
	}
	if g.chance(20) {
		c["volumeMounts"] = []object{{"name": "data", "mountPath": "/data"}}
	}
	return c
}

func (g *generator) regular(name string) object {
	c := g.container(name)
	if g.chance(10) {
		c["resources"] = object{"limits": object{"cpu": "1", "memory": "1Gi"}}
	}
	if g.chance(10) {
		c["livenessProbe"] = object{"httpGet": object{"path": "/", "port": 80}}
	}
	if g.chance(10) {
		c["lifecycle"] = object{"preStop": object{"exec": object{"command": []string{"true"}}}}
	}
	return g.restarts(c, "Always", "OnFailure", "Never", "Never")
}

func (g *generator) init(name string) object {
	c := g.container(name)
	if g.chance(30) {
		c["restartPolicy"] = "Always"
		// Without RestartAllContainers these are wrong, too.
		if (g.restartAll || g.wrong) && g.chance(50) {
			c["restartPolicyRules"] = g.rules()
		}
		return c
	}
	return g.restarts(c, "OnFailure", "Never")
}

func (g *generator) ephemeral(name string) object {
	c := g.container(name)
	if g.mistake(40) {
		c["restartPolicy"] = pick(g, "Always", "Never", "OnFailure", "", "Sometimes")
	}
	if g.mistake(40) {
		c["restartPolicyRules"] = g.rules()
	}
	return c
}

// restarts adds restartPolicy, which may be one of these, and restartPolicyRules.
func (g *generator) restarts(c object, policies ...string) object {
	switch {
	case g.mistake(8):
		c["restartPolicy"] = pick[any](g, "", "", "Sometimes", "always", "Never ", "ONFAILURE", `"Never"`, "Nie\n", "次", "Always,Never")
		if g.mistake(2) {
			c["restartPolicy"] = pick[any](g, 1, true, []string{"Never"})
		}
	case g.chance(30):
		if g.mistake(20) || g.chance(5) {
			c["restartPolicyRules"] = pick[any](g, nil, []object{}) // as good as none
			if g.wrong {
				c["restartPolicyRules"] = g.rules()
			}
		}
		return c
	default:
		c["restartPolicy"] = pick(g, policies...)
	}
	if g.chance(80) {
		c["restartPolicyRules"] = g.rules()
	}
	return c
}

func (g *generator) rules() any {
	n := g.IntN(5)
	switch {
	case g.chance(2):
		n = 20
	case g.mistake(2):
		n = 21 + g.IntN(5)
	case g.wrong && g.IntN(1000) == 0:
		return pick[any](g, "none", object{}, []int{1})
	}
	list := []object{}
	for range n {
		if len(list) > 0 && g.chance(8) {
			list = append(list, list[len(list)-1]) // identical: accepted
			continue
		}
		list = append(list, g.rule())
	}
	return list
}

func (g *generator) rule() object {
	r := object{"action": "Restart"}
	if g.restartAll && g.chance(50) {
		r["action"] = "RestartAllContainers"
	}
	if g.mistake(3) {
		r["action"] = pick(g, "", "restart", "Terminate", "Explode", "RestartAll", "Restart,RestartAllContainers", `Re"start`)
	} else if g.mistake(2) {
		delete(r, "action")
	}
	codes := object{"operator": pick(g, "In", "In", "NotIn")}
	if g.mistake(3) {
		codes["operator"] = pick(g, "", "in", "Exists", "notIn", "In\tNotIn")
	} else if g.mistake(2) {
		delete(codes, "operator")
	}
	if g.chance(90) {
		codes["values"] = g.values()
	}
	r["exitCodes"] = codes
	switch {
	case g.mistake(2):
		delete(r, "exitCodes")
	case g.mistake(1):
		r["exitCodes"] = nil
	case g.mistake(1): // as the enhancement proposal had it: unknown fields, which are ignored
		delete(r, "exitCodes")
		r["when"], r["onExit"] = object{"exitCodes": codes}, object{"exitCodes": codes}
	}
	return r
}

func (g *generator) values() any {
	n := g.IntN(6)
	switch {
	case g.IntN(200) == 0:
		n = 255
	case g.wrong && g.IntN(200) == 0:
		n = 256 + g.IntN(50)
	}
	values := []any{}
	for range n {
		v := int64(g.IntN(256))
		if g.chance(15) {
			v = pick[int64](g, 0, -1, -2147483648, 42, 42, 137, 256, 257, 1000, 2147483647)
		}
		values = append(values, v)
		if n < 255 && g.chance(5) {
			values = append(values, v) // a duplicate: accepted
		}
	}
	if n < 255 && g.wrong && g.IntN(300) == 0 {
		g.outsideInt32 = true
		return append(values, pick[any](g, int64(2147483648), int64(-2147483649), int64(1)<<60))
	}
	if g.wrong && g.IntN(1000) == 0 {
		return append(values, pick[any](g, "42", 1.5, json.Number("1e99"), true, object{}))
	}
	return values
}
