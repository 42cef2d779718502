package git

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/secret"
)

// Kinds of pull requests that a host has.
const (
	GitHub = "github" // REST API of GitHub, also GitHub Enterprise Server
	Gitea  = "gitea"  // REST API of Gitea and Forgejo
	None   = "none"   // no pull requests: the branch alone is delivered
)

// Connection is what the operator says about a host of repositories. Values are made by Parse.
type Connection struct {
	ARN     string // by which CreateRepository names it
	Account string // the one account that may use it
	URL     string // repositories are below: https://host, ssh://git@host, file:///folder
	API     string // GitHub, Gitea or None
	APIURL  string // of the REST API; "" where API is None
	// Poll is how often it is to be asked what became of a proposal.
	Poll time.Duration

	user     string
	token    secret.Bytes // over HTTPS, and for the API
	signer   ssh.Signer   // over SSH
	hostKeys ssh.HostKeyCallback
	roots    *x509.CertPool // nil for the system's
}

// entry is a connection as the operator's file has it.
type entry struct {
	ARN        string        `yaml:"arn"`
	Account    string        `yaml:"account"`
	URL        string        `yaml:"url"`
	API        string        `yaml:"api"`
	APIURL     string        `yaml:"api-url"`
	User       string        `yaml:"user"`
	TokenFile  string        `yaml:"token-file"`
	KeyFile    string        `yaml:"key-file"`
	KnownHosts string        `yaml:"known-hosts"`
	CAFile     string        `yaml:"ca-file"`
	Poll       time.Duration `yaml:"poll"`
}

// Limits of the operator's files.
const (
	maxFile        = 1 << 20
	maxConnections = 1000
)

// Load reads the operator's file of connections, and the files it names, which are found beside
// it. A file of credentials that others can read is refused.
func Load(file string) ([]*Connection, error) {
	text, err := read(file, false)
	if err != nil {
		return nil, fmt.Errorf("git connections: %w", err)
	}
	list, err := parse(text, filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("git connections %s: %w", file, err)
	}
	return list, nil
}

// parse reads the text of a file of connections that lies in dir.
func parse(text []byte, dir string) ([]*Connection, error) {
	var file struct {
		Connections []entry `yaml:"connections"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, errors.New(sentence(err.Error()))
	}
	if len(file.Connections) > maxConnections {
		return nil, fmt.Errorf("more than %d connections", maxConnections)
	}
	var list []*Connection
	seen := make(map[string]bool)
	for i, e := range file.Connections {
		c, err := e.open(dir)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		if seen[c.ARN] {
			return nil, fmt.Errorf("connection %d: %s is there twice", i+1, c.ARN)
		}
		seen[c.ARN] = true
		list = append(list, c)
	}
	return list, nil
}

var (
	// connectionARN is the model's pattern of connectionArn, for both names the service has had.
	connectionARN = regexp.MustCompile(`^arn:[\w-]+:(codestar-connections|codeconnections):[a-z0-9-]+:([0-9]{12}):connection/[A-Za-z0-9-]+$`)
	accountID     = regexp.MustCompile(`^[0-9]{12}$`)
)

// open checks an entry and reads the files it names.
func (e entry) open(dir string) (*Connection, error) {
	m := connectionARN.FindStringSubmatch(e.ARN)
	if m == nil {
		return nil, fmt.Errorf("arn %q is not such as arn:aws:codestar-connections:REGION:ACCOUNT:connection/ID", sentence(e.ARN))
	}
	c := &Connection{ARN: e.ARN, Account: e.Account, URL: strings.TrimSuffix(e.URL, "/"), API: e.API, APIURL: strings.TrimSuffix(e.APIURL, "/"), user: e.User, Poll: e.Poll}
	if c.Poll == 0 {
		c.Poll = time.Minute
	}
	if c.Poll < time.Second || c.Poll > 24*time.Hour {
		return nil, errors.New("poll is not from 1s to 24h")
	}
	if c.Account == "" {
		c.Account = m[2]
	}
	if !accountID.MatchString(c.Account) {
		return nil, fmt.Errorf("account %q is not twelve digits", sentence(c.Account))
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("url cannot be read")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("url holds a password: put it into a file and name that with token-file")
	}
	inside := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	e.TokenFile, e.KeyFile, e.KnownHosts, e.CAFile = inside(e.TokenFile), inside(e.KeyFile), inside(e.KnownHosts), inside(e.CAFile)
	if err := c.reach(u, e); err != nil {
		return nil, err
	}
	if err := c.credentials(e); err != nil {
		return nil, err
	}
	return c, c.pulls()
}

// reach checks how the repositories are reached.
func (c *Connection) reach(u *url.URL, e entry) error {
	switch u.Scheme {
	case "https", "http":
		return checkHTTP("url", u)
	case "ssh":
		if u.Host == "" || e.KeyFile == "" || e.KnownHosts == "" {
			return errors.New("over SSH a connection has a host, a key-file and known-hosts")
		}
		if u.User.Username() != "" {
			c.user = u.User.Username()
		}
		if c.user == "" {
			c.user = "git"
		}
		return nil
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return errors.New("url is not such as file:///srv/git")
		}
		return nil
	}
	return errors.New("url begins with none of https://, ssh:// and file://")
}

// checkHTTP refuses to send a credential in the clear beyond this machine.
func checkHTTP(name string, u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("%s is not https://", name)
	}
	return nil
}

// credentials reads the files of an entry.
func (c *Connection) credentials(e entry) error {
	if e.TokenFile != "" {
		text, err := read(e.TokenFile, true)
		if err != nil {
			return err
		}
		c.token = secret.New(bytes.TrimSpace(text))
		if c.token.Len() == 0 || bytes.ContainsAny(c.token.Reveal(), "\r\n\x00") {
			return fmt.Errorf("%s does not hold one token", e.TokenFile)
		}
	}
	if e.KeyFile != "" {
		text, err := read(e.KeyFile, true)
		if err != nil {
			return err
		}
		if c.signer, err = ssh.ParsePrivateKey(text); err != nil {
			return fmt.Errorf("%s is no private key without a passphrase that can be read", e.KeyFile)
		}
	}
	if e.KnownHosts != "" {
		check, err := knownhosts.New(e.KnownHosts)
		if err != nil {
			return fmt.Errorf("known-hosts: %w", err)
		}
		c.hostKeys = check
	}
	if e.CAFile != "" {
		text, err := read(e.CAFile, false)
		if err != nil {
			return err
		}
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s holds no certificate", e.CAFile)
		}
	}
	return nil
}

// pulls checks what is said about pull requests.
func (c *Connection) pulls() error {
	switch c.API {
	case "", None:
		c.API = None
		if c.APIURL != "" {
			return errors.New("api-url is given, but api is none")
		}
		return nil
	case GitHub, Gitea:
	default:
		return fmt.Errorf("api %q is none of github, gitea and none", sentence(c.API))
	}
	u, err := url.Parse(c.APIURL)
	if err != nil || c.APIURL == "" || c.token.Len() == 0 {
		return errors.New("pull requests need an api-url and a token-file")
	}
	return checkHTTP("api-url", u)
}

// read reads a file of the operator; one that holds a secret must not be open to others.
func read(file string, private bool) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 it", file)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxFile)
	}
	return os.ReadFile(file)
}
