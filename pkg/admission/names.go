package admission

import (
	"encoding/json"

	"restartrules.dev/pkg/manifest/scan"
)

// names returns the object's name and generateName; of the two, the API server has put only the name
// into the request, and none of a Pod that a controller makes.
func (r *request) names() (name, generateName string) {
	if r.Name != "" {
		return r.Name, ""
	}
	if name, generateName, ok := scanObjectNames(r.Object); ok {
		return name, generateName
	}
	var object struct {
		Metadata struct {
			Name         string `json:"name"`
			GenerateName string `json:"generateName"`
		} `json:"metadata"`
	}
	// An object that can't be decoded is reported by whoever needs all of it.
	_ = json.Unmarshal(r.Object, &object)
	return object.Metadata.Name, object.Metadata.GenerateName
}

// scanObjectNames are an object's name and generateName, if it can be read by those who know what they look for. What is
// behind the metadata, most of it, is not looked at again: it was when the review was read.
func scanObjectNames(object []byte) (name, generateName string, ok bool) {
	r := scan.NewReader(object)
	for key := range r.Keys {
		if string(key) != "metadata" {
			continue
		}
		for key := range r.Keys {
			switch string(key) {
			case "name":
				name = r.Text()
			case "generateName":
				generateName = r.Text()
			}
		}
		return name, generateName, !r.Failed()
	}
	return name, generateName, r.Done()
}
