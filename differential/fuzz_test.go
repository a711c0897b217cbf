package differential

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/validation"
)

// FuzzContainer gives a container of any list any JSON as restartPolicy and as restartPolicyRules.
func FuzzContainer(f *testing.F) {
	f.Add(uint8(0), true, `"Never"`, `[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]`)
	f.Add(uint8(1), true, `"Always"`, `[{"action":"RestartAllContainers","exitCodes":{"operator":"NotIn","values":[0]}}]`)
	f.Add(uint8(1), false, `"Always"`, `[{"Action":"Restart","exitCodes":null,"exitCodes":{}}]`)
	f.Add(uint8(2), false, `null`, `[]`)
	f.Add(uint8(0), false, `""`, `[{"action":7},null,{"exitCodes":{"values":[2147483648,1.0,1e2]}}]`)
	f.Fuzz(func(t *testing.T, list uint8, restartAll bool, policy, rules string) {
		if !json.Valid([]byte(policy)) || !json.Valid([]byte(rules)) {
			t.Skip("not JSON")
		}
		setGate(t, restartAll)
		object := []byte(podOf(list, fmt.Sprintf(`{"name":"c","image":"registry.example/c:1","restartPolicy":%s,"restartPolicyRules":%s}`, policy, rules)))
		_, want, wantErr := upstream(object, nil)
		got, gotErr := ours(object, nil, validation.Options{RestartAllContainers: restartAll})
		require.Equal(t, wantErr == nil, gotErr == nil, "decoded: %v, ours %v", wantErr, gotErr)
		require.Equal(t, texts(want), texts(got))
	})
}

// podOf is a Pod with the container in one of the three lists.
func podOf(list uint8, container string) string {
	const other = `{"name":"other","image":"registry.example/other:1"}`
	lists := []string{other, "", ""}
	lists[list%3] = container
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{"containers":[%s],"initContainers":[%s],"ephemeralContainers":[%s]}}`,
		lists[0], lists[1], lists[2])
}
