package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// A model is the description of a service in the format of the AWS SDK for Go
// (api-2.json), with the few fields that our patches add.
type model struct {
	Metadata   metadata             `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`

	// Ours: names of errors that have a message and nothing else, by HTTP status.
	Exceptions map[int][]string `json:"exceptions"`
}

type metadata struct {
	APIVersion     string `json:"apiVersion"`
	EndpointPrefix string `json:"endpointPrefix"`
	GlobalEndpoint string `json:"globalEndpoint"`
	JSONVersion    string `json:"jsonVersion"`
	Protocol       string `json:"protocol"`
	ServiceName    string `json:"serviceFullName"`
	ServiceID      string `json:"serviceId"`
	SigningName    string `json:"signingName"`
	TargetPrefix   string `json:"targetPrefix"`
	XMLNamespace   string `json:"xmlNamespace"`

	// Ours.
	ActionPrefix   string `json:"actionPrefix"`   // of IAM actions, where it is not the folder
	EventSource    string `json:"eventSource"`    // where it is not the endpoint prefix
	ValidationCode string `json:"validationCode"` // of the error for an input that breaks its constraints

	RecordNames map[string]string `json:"recordNames"` // of members of inputs, in audit records
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input      ref      `json:"input"`
	Output     ref      `json:"output"`
	Errors     []ref    `json:"errors"`
	Idempotent bool     `json:"idempotent"`
	Alias      string   `json:"alias"`
	AuthType   string   `json:"authtype"`
	Auth       []string `json:"auth"`

	// Ours.
	ReadOnly *bool `json:"readOnly"` // where the name's verb does not tell
	MaxBody  int64 `json:"maxBody"`  // bytes of a request's body, where the house's usual limit is too small
}

type ref struct {
	Shape            string   `json:"shape"`
	Location         string   `json:"location"`
	LocationName     string   `json:"locationName"`
	QueryName        string   `json:"queryName"`
	ResultWrapper    string   `json:"resultWrapper"`
	XMLNamespace     xmlSpace `json:"xmlNamespace"`
	XMLAttribute     bool     `json:"xmlAttribute"`
	Streaming        bool     `json:"streaming"`
	Flattened        bool     `json:"flattened"`
	IdempotencyToken bool     `json:"idempotencyToken"`
	JSONValue        bool     `json:"jsonvalue"`
	HostLabel        bool     `json:"hostLabel"`
	TimestampFormat  string   `json:"timestampFormat"`
	Sensitive        bool     `json:"sensitive"`

	// Ours.
	Unwrapped  bool   `json:"unwrapped"`  // of an output: see wire.Operation
	RecordName string `json:"recordName"` // see wire.Member
}

type shape struct {
	Type     string   `json:"type"`
	Members  members  `json:"members"`
	Required []string `json:"required"`
	Member   *ref     `json:"member"`
	Key      *ref     `json:"key"`
	Value    *ref     `json:"value"`
	Enum     []string `json:"enum"`
	Pattern  string   `json:"pattern"`
	Min      *float64 `json:"min"`
	Max      *float64 `json:"max"`

	Sensitive       bool     `json:"sensitive"`
	Streaming       bool     `json:"streaming"`
	Flattened       bool     `json:"flattened"`
	Union           bool     `json:"union"`
	EventStream     bool     `json:"eventstream"`
	TimestampFormat string   `json:"timestampFormat"`
	Payload         string   `json:"payload"`
	LocationName    string   `json:"locationName"`
	XMLNamespace    xmlSpace `json:"xmlNamespace"`

	Exception bool `json:"exception"`
	Fault     bool `json:"fault"`
	Error     struct {
		Code   string `json:"code"`
		Status int    `json:"httpStatusCode"`
		Fault  bool   `json:"fault"`
	} `json:"error"`

	// Ours: RE2's spelling of Pattern, where RE2 does not understand it.
	GoPattern string `json:"goPattern"`
}

// xmlSpace is an XML namespace: in the models an object, or just the URI.
type xmlSpace struct {
	URI    string
	Prefix string
}

// UnmarshalJSON reads both forms.
func (x *xmlSpace) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		return json.Unmarshal(data, &x.URI)
	}
	var v struct{ URI, Prefix string }
	err := json.Unmarshal(data, &v)
	*x = xmlSpace(v)
	return err
}

// members keeps the order of a structure's members.
type members struct {
	names []string
	refs  map[string]ref
}

// UnmarshalJSON reads an object in order.
func (m *members) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &m.refs); err != nil {
		return err
	}
	o, err := parseTree(data)
	if err != nil {
		return err
	}
	m.names = o.names
	return nil
}

// modelsDir finds the models in the module cache.
var modelsDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/aws/aws-sdk-go").Output()
	if err != nil {
		return "", fmt.Errorf("finding the AWS SDK's models: %w", err)
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal(out, &mod); err != nil {
		return "", fmt.Errorf("finding the AWS SDK's models: %w", err)
	}
	return filepath.Join(mod.Dir, "models", "apis"), nil
})

// load reads a patch file, and the model it names with "from", and lays one over the
// other. A file without "from" is a whole model.
func load(file string) (*model, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := loadPatch(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func loadPatch(patch []byte) (*model, error) {
	p, err := parseTree(patch)
	if err != nil {
		return nil, err
	}
	whole := p
	if from, ok := p.values["from"].(string); ok {
		p.remove("from")
		dir, err := modelsDir()
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(from), "api-2.json"))
		if err != nil {
			return nil, err
		}
		if whole, err = parseTree(data); err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		if err := merge(whole, p); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	return m, m.addExceptions()
}

func (m *model) addExceptions() error {
	for status, names := range m.Exceptions {
		for _, name := range names {
			if m.Shapes[name] != nil {
				return fmt.Errorf("exception %s is there already", name)
			}
			s := &shape{Type: "structure", Exception: true}
			s.Error.Status = status
			m.Shapes[name] = s
		}
	}
	return nil
}

// packageName is the service's folder and package: the patch file's name.
func packageName(file string) string {
	return strings.TrimSuffix(filepath.Base(file), ".json")
}
