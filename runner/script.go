package runner

import (
	"fmt"
	"regexp"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/runner/sandbox"
	"github.com/strongroom/strongroom/wire"
)

// Names in the scratch folder.
const (
	sourceFolder = "src"
	homeFolder   = "home"
	tempFolder   = "tmp"
	outputsFile  = "outputs.json"
	caFile       = "ca.pem"
)

// script makes one script of a job's commands. As in a CodeBuild build they run one after the other
// in one shell, so that what one exports or where it goes holds for the next, and the first that
// fails ends the run.
func script(j *api.RunnerJob) string {
	var b strings.Builder
	for i, command := range j.Commands {
		fmt.Fprintf(&b, "printf '%%s\\n' %s\n", quote(fmt.Sprintf("[runner] Running command %d of %d: %s", i+1, len(j.Commands), command)))
		fmt.Fprintf(&b, "eval %s\n__status=$?\n", quote(command))
		fmt.Fprintf(&b, "if [ \"$__status\" -ne 0 ]; then printf '%%s\\n' \"[runner] Command %d of %d ended with status $__status\"; exit \"$__status\"; fi\n", i+1, len(j.Commands))
	}
	return b.String()
}

// quote makes a word of s for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment is all that the commands find in their environment. What the template sets comes
// before what is ours, so that it cannot point the commands elsewhere.
func (r *Runner) environment(j *api.RunnerJob) []string {
	var env []string
	for _, v := range j.Variables {
		name, value := wire.Val(v.Name), wire.Val(v.Value)
		if variableName.MatchString(name) && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "LD_") && !strings.Contains(value, "\x00") {
			env = append(env, name+"="+strings.ReplaceAll(value, sandbox.Scratch, ""))
		}
	}
	env = append(env, r.cfg.Env...)
	id := wire.Val(j.DeploymentId)
	env = append(env,
		"PATH="+r.cfg.Path, "HOME="+sandbox.Scratch+"/"+homeFolder, "TMPDIR="+sandbox.Scratch+"/"+tempFolder, "LANG=C.UTF-8",
		"CODEBUILD_SRC_DIR="+sandbox.Scratch+"/"+sourceFolder, "CODEBUILD_BUILD_ID="+id,
		"RESOURCE_ARN="+wire.Val(j.TargetArn), "PROTON_DEPLOYMENT_ID="+id, "PROTON_OUTPUTS="+sandbox.Scratch+"/"+outputsFile,
		"AWS_ENDPOINT_URL="+r.cfg.Endpoint, "AWS_REGION="+r.cfg.Region, "AWS_DEFAULT_REGION="+r.cfg.Region, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
	)
	if r.cfg.Authorities != nil {
		env = append(env, "AWS_CA_BUNDLE="+sandbox.Scratch+"/"+caFile)
	}
	if c := j.Credentials; c != nil {
		env = append(env, "AWS_ACCESS_KEY_ID="+wire.Val(c.AccessKeyId), "AWS_SECRET_ACCESS_KEY="+wire.Val(c.SecretAccessKey), "AWS_SESSION_TOKEN="+wire.Val(c.SessionToken))
	}
	return env
}
