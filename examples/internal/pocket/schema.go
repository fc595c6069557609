package pocket

import (
	"fmt"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/security"
)

// Collection is the name of the collection that the server starts with. Its
// fields are those of a documented Go symbol: key (unique, unless Loose), import_path, name,
// kind, synopsis, doc and deprecated. Any signed-in user may list, view,
// create, update and delete its records.
const Collection = "symbols"

// maxText is the longest text in characters that a field of the collection
// takes. PocketBase's own default of 5,000 is too short for documentation: the
// longest of the standard library has about 26,000.
const maxText = 1 << 20

// createCollection adds [Collection].
func createCollection(app core.App, unique bool) error {
	signedIn := new(`@request.auth.id != ""`)
	c := core.NewBaseCollection(Collection)
	c.ListRule, c.ViewRule = signedIn, signedIn
	c.CreateRule, c.UpdateRule, c.DeleteRule = signedIn, signedIn, signedIn
	c.Fields.Add(
		&core.TextField{Name: "key", Required: true, Max: maxText},
		&core.TextField{Name: "import_path", Required: true, Max: maxText},
		&core.TextField{Name: "name", Required: true, Max: maxText},
		&core.SelectField{
			Name:      "kind",
			Required:  true,
			MaxSelect: 1,
			Values:    []string{"package", "const", "var", "type", "func", "method"},
		},
		&core.TextField{Name: "synopsis", Max: maxText},
		&core.TextField{Name: "doc", Max: maxText},
		&core.BoolField{Name: "deprecated"},
	)
	c.AddIndex("idx_symbols_key", unique, "key", "")
	if err := app.Save(c); err != nil {
		return fmt.Errorf("pocket: create the collection %s: %w", Collection, err)
	}
	return nil
}

// Files is the name of the collection of uploaded files. Its fields are file,
// name (the file's own, since PocketBase appends something to that), md5
// (unique, in lower-case hexadecimal) and title. Any signed-in user may list,
// view, create and delete its records.
const Files = "files"

// maxFile is the largest file in bytes.
const maxFile = 64 << 20

// createFiles adds [Files].
func createFiles(app core.App) error {
	signedIn := new(`@request.auth.id != ""`)
	c := core.NewBaseCollection(Files)
	c.ListRule, c.ViewRule, c.CreateRule, c.DeleteRule = signedIn, signedIn, signedIn, signedIn
	c.Fields.Add(
		&core.FileField{Name: "file", Required: true, MaxSelect: 1, MaxSize: maxFile},
		&core.TextField{Name: "name", Required: true},
		&core.TextField{Name: "md5", Required: true, Pattern: "^[0-9a-f]{32}$"},
		&core.TextField{Name: "title"},
	)
	c.AddIndex("idx_files_md5", true, "md5", "")
	if err := app.Save(c); err != nil {
		return fmt.Errorf("pocket: create the collection %s: %w", Files, err)
	}
	return nil
}

// saveSettings switches the rate limiter on for every action on all
// collections, and the request log off: its writes would compete with the records' own.
func saveSettings(app core.App, rate, batch int) error {
	s := app.Settings()
	s.Logs.MaxDays = 0
	if batch > 0 {
		s.Batch.Enabled, s.Batch.MaxRequests = true, batch
	}
	s.RateLimits.Enabled = rate > 0
	if rate > 0 {
		s.RateLimits.Rules = nil
		for _, collection := range []string{Collection, Files, Farm} {
			for _, action := range []string{"list", "view", "create", "update", "delete"} {
				s.RateLimits.Rules = append(s.RateLimits.Rules, core.RateLimitRule{
					Label:       collection + ":" + action,
					MaxRequests: rate,
					Duration:    1, // a second, the shortest that PocketBase knows
				})
			}
		}
	}
	if err := app.Save(s); err != nil {
		return fmt.Errorf("pocket: save the settings: %w", err)
	}
	return nil
}

// createUser adds an ordinary user and returns its token.
func createUser(app core.App) (string, error) {
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return "", fmt.Errorf("pocket: find the users: %w", err)
	}
	user := core.NewRecord(users)
	user.SetEmail("someone@example.com")
	user.SetPassword(security.RandomString(30))
	if err := app.Save(user); err != nil {
		return "", fmt.Errorf("pocket: create a user: %w", err)
	}
	token, err := user.NewAuthToken()
	if err != nil {
		return "", fmt.Errorf("pocket: sign the user's token: %w", err)
	}
	return token, nil
}
