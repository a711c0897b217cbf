package configuration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Load reads a file as Parse does. The errors name it.
func Load(path string) (*Configuration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the Configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("Configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse reads a Configuration, YAML or JSON, and fills in defaults. It is an error to say what it is not, to have fields
// that it does not know or keys twice, and whatever Validate finds; all that can be found at once is in the error.
func Parse(text []byte) (*Configuration, error) {
	document, err := only(text)
	if err != nil {
		return nil, err
	}
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("no YAML: %w", err)
	}
	c := new(Configuration)
	unknown, err := kjson.UnmarshalStrict(data, c)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	var errs field.ErrorList
	if c.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), c.APIVersion, []string{APIVersion}))
	}
	if c.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), c.Kind, []string{Kind}))
	}
	if len(errs) == 0 {
		c.setDefaults()
		errs = c.Validate()
	}
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return c, nil
}

// only is the one YAML document of the text.
func only(text []byte) ([]byte, error) {
	var found []byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("no YAML: %w", err)
		}
		var content any
		if yaml.Unmarshal(document, &content) == nil && content == nil {
			continue // comments only
		}
		if found != nil {
			return nil, errors.New("has more than one YAML document, expected only one")
		}
		found = bytes.Clone(document)
	}
}
