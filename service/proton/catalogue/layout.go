package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// The files and folders of a catalogue.
const (
	catalogueFile  = "catalogue.json"
	settingsFile   = "settings.json"
	repositoryFile = "repositories.json"
	connectionFile = "account-connections.json"
	templateFile   = "template.json"
	versionFile    = "version.json"
	bundleFolder   = "bundle"
	specFile       = "spec.yaml"
	manifestFile   = "manifest.yaml"

	environmentTemplates = "environment-templates"
	serviceTemplates     = "service-templates"
	environments         = "environments"
	services             = "services"
	components           = "components"
)

const format = 1

// origin is catalogue.json.
type origin struct {
	Format  int    `json:"format"`
	Account string `json:"account"`
	Region  string `json:"region"`
}

type tags map[string]string

// template is template.json.
type template struct {
	DisplayName        string `json:"displayName,omitempty"`
	Description        string `json:"description,omitempty"`
	Provisioning       string `json:"provisioning,omitempty"` // of a service template: of its pipeline
	EncryptionKey      string `json:"encryptionKey,omitempty"`
	RecommendedVersion string `json:"recommendedVersion,omitempty"` // follows from what is published; for the reader
	Sync               *sync  `json:"sync,omitempty"`
	Tags               tags   `json:"tags,omitempty"`
}

// version is version.json. The name of its folder is its number.
type version struct {
	Description                    string       `json:"description,omitempty"`
	Status                         string       `json:"status"`
	CompatibleEnvironmentTemplates []compatible `json:"compatibleEnvironmentTemplates,omitempty"`
	SupportedComponentSources      []string     `json:"supportedComponentSources,omitempty"`
	Tags                           tags         `json:"tags,omitempty"`
}

type compatible struct {
	TemplateName string `json:"templateName"`
	MajorVersion string `json:"majorVersion"`
}

// branch is a branch of a linked repository.
type branch struct {
	Provider string `json:"provider"`
	Name     string `json:"name"`
	Branch   string `json:"branch"`
}

// sync is the branch of a linked repository that a template or a service follows.
type sync struct {
	branch
	Subdirectory string `json:"subdirectory,omitempty"` // of a template
	FilePath     string `json:"filePath,omitempty"`     // of a service: its ops file
}

// environment is environment.json.
type environment struct {
	Description            string  `json:"description,omitempty"`
	TemplateName           string  `json:"templateName"`
	TemplateVersion        string  `json:"templateVersion"`
	ProtonServiceRoleArn   string  `json:"protonServiceRoleArn,omitempty"`
	CodebuildRoleArn       string  `json:"codebuildRoleArn,omitempty"`
	ComponentRoleArn       string  `json:"componentRoleArn,omitempty"`
	EnvironmentAccountID   string  `json:"environmentAccountId,omitempty"` // it stands in another account, through a connection
	ProvisioningRepository *branch `json:"provisioningRepository,omitempty"`
	Tags                   tags    `json:"tags,omitempty"`
}

// service is service.json.
type service struct {
	Description             string `json:"description,omitempty"`
	TemplateName            string `json:"templateName"`
	PipelineVersion         string `json:"pipelineVersion,omitempty"` // of the template; none without a pipeline
	RepositoryID            string `json:"repositoryId,omitempty"`
	RepositoryConnectionArn string `json:"repositoryConnectionArn,omitempty"`
	BranchName              string `json:"branchName,omitempty"`
	Sync                    *sync  `json:"sync,omitempty"`
	Tags                    tags   `json:"tags,omitempty"`
}

// instance is instance.json.
type instance struct {
	EnvironmentName string `json:"environmentName"`
	TemplateVersion string `json:"templateVersion"`
	Tags            tags   `json:"tags,omitempty"`
}

// component is component.json.
type component struct {
	Description         string `json:"description,omitempty"`
	EnvironmentName     string `json:"environmentName"`
	ServiceName         string `json:"serviceName,omitempty"`
	ServiceInstanceName string `json:"serviceInstanceName,omitempty"`
	TemplateFile        string `json:"templateFile"` // its name in this folder
	Tags                tags   `json:"tags,omitempty"`
}

// repository is an item of repositories.json.
type repository struct {
	Provider      string `json:"provider"`
	Name          string `json:"name"`
	ConnectionArn string `json:"connectionArn"`
	EncryptionKey string `json:"encryptionKey,omitempty"`
	Tags          tags   `json:"tags,omitempty"`
}

// connection is an item of account-connections.json.
type connection struct {
	EnvironmentName      string `json:"environmentName"`
	ManagementAccountID  string `json:"managementAccountId"`
	EnvironmentAccountID string `json:"environmentAccountId"`
	Status               string `json:"status"`
	RoleArn              string `json:"roleArn,omitempty"`
	CodebuildRoleArn     string `json:"codebuildRoleArn,omitempty"`
	ComponentRoleArn     string `json:"componentRoleArn,omitempty"`
}

// settings is settings.json.
type settings struct {
	PipelineServiceRoleArn         string  `json:"pipelineServiceRoleArn,omitempty"`
	PipelineCodebuildRoleArn       string  `json:"pipelineCodebuildRoleArn,omitempty"`
	PipelineProvisioningRepository *branch `json:"pipelineProvisioningRepository,omitempty"`
}

// number is the number of a version.
type number struct{ major, minor int }

func (n number) String() string { return strconv.Itoa(n.major) + "." + strconv.Itoa(n.minor) }

func (n number) compare(m number) int {
	if n.major != m.major {
		return n.major - m.major
	}
	return n.minor - m.minor
}

var (
	numberForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$`)
	// nameForm is what the API takes for the names of its resources.
	nameForm = regexp.MustCompile(`^[0-9A-Za-z]+[0-9A-Za-z_\-]*$`)
)

// parseNumber reads the number of a version.
func parseNumber(s string) (number, error) {
	m := numberForm.FindStringSubmatch(s)
	if m == nil {
		return number{}, fmt.Errorf("%q is not a version such as 1.0", s)
	}
	return numberOf(m[1], m[2])
}

func numberOf(major, minor string) (n number, err error) {
	if n.major, err = strconv.Atoi(major); err != nil {
		return n, err
	}
	n.minor, err = strconv.Atoi(minor)
	return n, err
}

// encode is JSON as people read it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// decode reads a JSON file, which must hold one value and no member that is not known.
func decode(name string, data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%s holds more than one value", name)
	}
	return nil
}
