package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// Limits of what goes into a scratch folder and comes out of it.
const (
	maxFiles   = 10_000
	maxOutputs = 256 << 10
)

// folder makes the scratch folder of a job, with its files.
func (r *Runner) folder(j *api.RunnerJob) (string, error) {
	dir, err := os.MkdirTemp(r.work, "job-")
	if err != nil {
		return "", err
	}
	if err := r.fill(dir, j); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// fill puts a job's files into its scratch folder.
func (r *Runner) fill(dir string, j *api.RunnerJob) error {
	root, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range []string{sourceFolder, homeFolder, tempFolder} {
		if err := root.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	if r.cfg.Authorities != nil {
		if err := root.WriteFile(caFile, r.cfg.Authorities, 0o600); err != nil {
			return err
		}
	}
	if len(j.Files) > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	for _, f := range j.Files {
		if err := place(root, &f); err != nil {
			return err
		}
	}
	return nil
}

// place writes one file of a job.
func place(root *os.Root, f *api.RunnerFile) error {
	name := wire.Val(f.Path)
	if !filepath.IsLocal(name) || path.Clean(name) != name {
		return fmt.Errorf("%q is not a path for a file", name)
	}
	name = path.Join(sourceFolder, name)
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if wire.Val(f.Executable) {
		mode = 0o700
	}
	return root.WriteFile(name, f.Content, mode)
}

// readOutputs reads the file that commands may leave at $PROTON_OUTPUTS. The commands made it, so
// it may be anything: only a file of the folder itself is read, and not beyond its limit.
func readOutputs(dir string) ([]api.Output, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(outputsFile, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.New("the file of outputs cannot be read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("what stands in the place of the outputs is no file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxOutputs+1))
	if err != nil {
		return nil, errors.New("the file of outputs cannot be read")
	}
	if len(text) > maxOutputs {
		return nil, fmt.Errorf("the file of outputs is larger than %d bytes", maxOutputs)
	}
	return parseOutputs(text)
}

// Limits of outputs, as the API has them.
const (
	maxOutputCount = 50
	maxOutputText  = 1024
)

// parseOutputs reads outputs in any of three forms: a JSON object of names and values, what
// "terraform output -json" prints, and the list that the API takes.
func parseOutputs(text []byte) ([]api.Output, error) {
	var outputs []api.Output
	var list []struct {
		Key   string `json:"key"`
		Value string `json:"valueString"`
	}
	var object map[string]json.RawMessage
	switch text = bytes.TrimSpace(text); {
	case len(text) == 0:
		return nil, nil
	case json.Unmarshal(text, &list) == nil:
		for _, o := range list {
			outputs = append(outputs, api.Output{Key: &o.Key, ValueString: &o.Value})
		}
	case json.Unmarshal(text, &object) == nil:
		for key, raw := range object {
			value, err := plainText(raw)
			if err != nil {
				return nil, fmt.Errorf("the output %.100q: %w", key, err)
			}
			outputs = append(outputs, api.Output{Key: &key, ValueString: &value})
		}
	default:
		return nil, errors.New("the file of outputs is neither a JSON object of names and values nor a list of key and valueString")
	}
	return check(outputs)
}

// plainText is the text of a value: of a string itself, of all else its JSON.
func plainText(raw json.RawMessage) (string, error) {
	var terraform struct {
		Value     json.RawMessage `json:"value"`
		Sensitive *bool           `json:"sensitive"`
	}
	if json.Unmarshal(raw, &terraform) == nil && terraform.Value != nil && terraform.Sensitive != nil {
		raw = terraform.Value
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return "", errors.New("it is no JSON")
	}
	return b.String(), nil
}

func check(outputs []api.Output) ([]api.Output, error) {
	if len(outputs) > maxOutputCount {
		return nil, errors.New("there are more than " + strconv.Itoa(maxOutputCount) + " outputs")
	}
	for _, o := range outputs {
		for _, text := range []string{*o.Key, *o.ValueString} {
			if n := len([]rune(text)); n == 0 || n > maxOutputText {
				return nil, fmt.Errorf("the output %.100q: names and values have 1 to %d characters", *o.Key, maxOutputText)
			}
		}
	}
	slices.SortFunc(outputs, func(a, b api.Output) int { return bytes.Compare([]byte(*a.Key), []byte(*b.Key)) })
	return outputs, nil
}
