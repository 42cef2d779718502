package proton

// The quotas of an account in a region ("AWS Proton endpoints and quotas", AWS General Reference). Of repositories
// it says nothing; their number is ours.
const (
	maxTemplates    = 1000 // of both kinds together
	maxVersions     = 1000 // of a template
	maxEnvironments = 1000
	maxServices     = 1000
	maxInstances    = 20 // of a service
	maxComponents   = 1000
	maxConnections  = 1000 // of an environment's account
	maxRepositories = 1000
)
