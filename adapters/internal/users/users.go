// Package users calls the classifier of a client's user before that of the client.
package users

import "github.com/windrow-go/windrow/adapters/rest"

// Classifier is the function of a user's [rest.WithClassifier]; nil when there is none.
type Classifier func(e *rest.Error) error

// ClassifierOf returns the Classifier in the options.
func ClassifierOf(opts []rest.Option) Classifier { return rest.ClassifierOf(opts...) }

// Ask returns the classifier's error for a response or a part of one; nil to leave it as it is.
func (c Classifier) Ask(e *rest.Error) error {
	if c == nil {
		return nil
	}
	if err := c(e); err != error(e) {
		return err
	}
	return nil
}

// Before returns an option with a classifier that calls own if the user's classifier returns nil.
func (c Classifier) Before(own func(e *rest.Error) error) rest.Option {
	return rest.WithClassifier(func(e *rest.Error) error {
		if err := c.Ask(e); err != nil {
			return err
		}
		return own(e)
	})
}
