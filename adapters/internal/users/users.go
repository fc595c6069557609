// Package users asks the classifier of a client's user before that of the client.
package users

import "github.com/windrow-go/windrow/adapters/rest"

// Classifier is what a user has given with [rest.WithClassifier]; nil when there is none.
type Classifier func(e *rest.Error) error

// ClassifierOf returns the one that is among the options.
func ClassifierOf(opts []rest.Option) Classifier { return rest.ClassifierOf(opts...) }

// Ask returns what the user makes of an answer, or of a part of one; nil for one that is left as it is.
func (c Classifier) Ask(e *rest.Error) error {
	if c == nil {
		return nil
	}
	if err := c(e); err != error(e) {
		return err
	}
	return nil
}

// Before returns the option that has own judge what the user leaves as it is.
func (c Classifier) Before(own func(e *rest.Error) error) rest.Option {
	return rest.WithClassifier(func(e *rest.Error) error {
		if err := c.Ask(e); err != nil {
			return err
		}
		return own(e)
	})
}
