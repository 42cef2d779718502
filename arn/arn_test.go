package arn

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in             string
		want           ARN
		typ, id, short string
	}{
		{"arn:aws:kms:eu-west-1:111122223333:key/1234abcd", ARN{"aws", "kms", "eu-west-1", "111122223333", "key/1234abcd"}, "key", "1234abcd", "1234abcd"},
		{"arn:aws:s3:::bucket", ARN{"aws", "s3", "", "", "bucket"}, "", "bucket", "bucket"},
		{"arn:aws:s3:::bucket/a/b:c", ARN{"aws", "s3", "", "", "bucket/a/b:c"}, "bucket", "a/b:c", "b:c"},
		{"arn:aws:iam::111122223333:root", ARN{"aws", "iam", "", "111122223333", "root"}, "", "root", "root"},
		{"arn:aws:iam::111122223333:user/div/team/Bob", ARN{"aws", "iam", "", "111122223333", "user/div/team/Bob"}, "user", "div/team/Bob", "Bob"},
		{"arn:aws:iam::aws:policy/ReadOnlyAccess", ARN{"aws", "iam", "", "aws", "policy/ReadOnlyAccess"}, "policy", "ReadOnlyAccess", "ReadOnlyAccess"},
		{"arn:aws-cn:logs:cn-north-1:111122223333:log-group:a:*", ARN{"aws-cn", "logs", "cn-north-1", "111122223333", "log-group:a:*"}, "log-group", "a:*", "a:*"},
		{"arn:aws-us-gov:sts::111122223333:assumed-role/R/s", ARN{"aws-us-gov", "sts", "", "111122223333", "assumed-role/R/s"}, "assumed-role", "R/s", "s"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
			continue
		}
		if got.String() != tt.in {
			t.Errorf("String of %q = %q", tt.in, got)
		}
		if typ, id, short := got.ResourceType(), got.ResourceID(), got.ResourceName(); typ != tt.typ || id != tt.id || short != tt.short {
			t.Errorf("%q: type %q, id %q, name %q; want %q, %q, %q", tt.in, typ, id, short, tt.typ, tt.id, tt.short)
		}
		if !Is(tt.in) || AccountOf(tt.in) != tt.want.Account {
			t.Errorf("%q: Is %v, AccountOf %q", tt.in, Is(tt.in), AccountOf(tt.in))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "arn", "arn:", "arn:aws:s3:::", "arn:aws:s3::bucket", "ARN:aws:s3:::b", "x:aws:s3:::b",
		"arn:azure:s3:::b", "arn:aws::::b", "arn:aws:S3:::b", "arn:aws:s 3:::b",
		"arn:aws:kms:Eu-west-1:111122223333:key/1", "arn:aws:kms:west:111122223333:key/1", "arn:aws:kms:eu-west:111122223333:key/1",
		"arn:aws:kms:eu-west-1:11112222333:key/1", "arn:aws:kms:eu-west-1:11112222333x:key/1", "arn:aws:kms:eu-west-1:*:key/1",
		"arn:aws:s3:::" + strings.Repeat("x", MaxLength),
	} {
		if got, err := Parse(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrSyntax", in, got, err)
		}
	}
	if (ARN{Service: "s3"}).IsZero() || !(ARN{}).IsZero() {
		t.Error("IsZero")
	}
	if Is("arn:aws:s3") || AccountOf("1234abcd") != "" {
		t.Error("an identifier taken for a resource name")
	}
}

func TestValid(t *testing.T) {
	for region, want := range map[string]bool{
		"us-east-1": true, "ap-southeast-2": true, "us-gov-west-1": true, "cn-north-1": true, "eu-isoe-west-1": true, "mx-central-12": true,
		"": false, "us": false, "us-east": false, "us-east-": false, "-east-1": false, "us--1": false, "us-east-1a": false, "us-ea5t-1": false,
		"us-east-1-": false, "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-1": false,
	} {
		if got := ValidRegion(region); got != want {
			t.Errorf("ValidRegion(%q) = %v", region, got)
		}
	}
	for account, want := range map[string]bool{"111122223333": true, "": false, "11112222333": false, "1111222233333": false, "11112222333a": false, "aws": false} {
		if got := ValidAccount(account); got != want {
			t.Errorf("ValidAccount(%q) = %v", account, got)
		}
	}
	for region, want := range map[string]string{"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "": "aws"} {
		if got := PartitionOf(region); got != want || !ValidPartition(got) {
			t.Errorf("PartitionOf(%q) = %q", region, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"arn:aws:s3:::b/k", "arn:aws:kms:eu-west-1:111122223333:key/1", "::::::", "arn:aws:iam::aws:policy/x", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a)
		}
		if !Is(s) || AccountOf(s) != a.Account {
			t.Errorf("%q parses, but Is = %v, AccountOf = %q", s, Is(s), AccountOf(s))
		}
	})
}
