package check

// Codes of findings about an installation.
const (
	NotInstalled        = "RR100"
	NotOptedIn          = "RR101"
	WrongLabel          = "RR102"
	CertificateTime     = "RR103"
	WrongCABundle       = "RR104"
	WebhookDown         = "RR105"
	ConfigurationEdited = "RR106"
	PatchStripped       = "RR107"
	ImageUnpullable     = "RR108"
	NoReports           = "RR109"
	NodeSkew            = "RR110"
	WatcherNotStarting  = "RR111"
)

// Codes of findings before an installation.
const (
	OldAPIServer     = "RR201"
	OldKubelet       = "RR202"
	NoSidecars       = "RR203"
	NoRights         = "RR204"
	NoAdmission      = "RR205"
	CertManagerUnfit = "RR206"
	PodsRefused      = "RR207"
)

// Codes of findings about one Pod.
const (
	RulesInvalid   = "RR301"
	OptedOut       = "RR302"
	NotApplied     = "RR303"
	RefusedByOther = "RR304"
)

// Codes are all codes in their order, each with its title, which is its heading in docs/codes.md.
var Codes = []struct{ Code, Title string }{
	{NotInstalled, "Restart Rules is not installed"},
	{NotOptedIn, "A namespace with restart rules has not opted in"},
	{WrongLabel, "The label that opts in has a wrong value"},
	{CertificateTime, "A certificate has expired, is about to, or is not valid yet"},
	{WrongCABundle, "The API server does not trust the webhook's certificate"},
	{WebhookDown, "The webhook is down"},
	{ConfigurationEdited, "A webhook configuration is not as installed"},
	{PatchStripped, "Another webhook takes the injection away"},
	{ImageUnpullable, "The watcher's image can't be pulled"},
	{NoReports, "Reports don't arrive"},
	{NodeSkew, "Some nodes lack what the API server has"},
	{WatcherNotStarting, "The watcher does not start"},
	{OldAPIServer, "The API server is too old"},
	{OldKubelet, "A kubelet is too old"},
	{NoSidecars, "The cluster has no native sidecars"},
	{NoRights, "Rights to install are missing"},
	{NoAdmission, "The API server has no admission webhooks with matchConditions"},
	{CertManagerUnfit, "cert-manager is there and not ready"},
	{PodsRefused, "An injected Pod would be refused"},
	{RulesInvalid, "The restart rules are wrong"},
	{OptedOut, "A label keeps Restart Rules away"},
	{NotApplied, "The restart rules of a Pod are not applied"},
	{RefusedByOther, "Something else refuses the Pod"},
}
