package cli

import (
	"fmt"
	"os"

	"github.com/strongroom/strongroom/remote"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
)

// HouseOf is the house that the usual AWS variables name, and who calls it: AWS_ENDPOINT_URL, AWS_CA_BUNDLE,
// AWS_REGION or AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which
// `strongroom env` prints. What is not set stays empty.
func HouseOf(getenv func(string) string) (remote.Config, error) {
	c := remote.Config{
		Endpoint: getenv("AWS_ENDPOINT_URL"), Region: getenv("AWS_REGION"),
		Credentials: sigv4.Credentials{
			AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), Secret: secret.FromString(getenv("AWS_SECRET_ACCESS_KEY")), SessionToken: getenv("AWS_SESSION_TOKEN"),
		},
	}
	if c.Region == "" {
		c.Region = getenv("AWS_DEFAULT_REGION")
	}
	if file := getenv("AWS_CA_BUNDLE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
		c.Authorities = text
	}
	return c, nil
}
