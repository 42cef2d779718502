package wire

import "testing"

func TestMembers(t *testing.T) {
	type kind string
	name := "n"
	m := MembersOf(&struct {
		Name, Absent *string
		Kind         kind
		Keys         []string
		Count        *int32
	}{Name: &name, Kind: "k", Keys: []string{"a"}})
	for member, want := range map[string]string{"Name": "n", "Absent": "", "Kind": "k", "Keys": "", "Count": "", "Other": ""} {
		if got := m.Text(member); got != want {
			t.Errorf("the text of %s is %q, want %q", member, got, want)
		}
	}
	if keys, ok := m.Get("Keys").([]string); !ok || len(keys) != 1 {
		t.Errorf("Keys are %v", m.Get("Keys"))
	}
	if got := m.Get("Other"); got != nil {
		t.Errorf("a member that is not there is %v", got)
	}
}
