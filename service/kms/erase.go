package kms

import (
	"context"
	"errors"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
)

// eraseDelay is how long what was destroyed waits for company: erasing reads and writes much,
// and destroying many keys at a time costs it once.
const eraseDelay = time.Minute

// scheduleErase has what tx destroys erased from the files of the store.
func (s *Service) scheduleErase(tx store.Tx) error {
	j, found, err := s.room.Jobs.Get(tx, eraseJob, "")
	if err != nil {
		return err
	}
	// A job whose time has come may be running, and past the point where it would see this.
	if found && j.Due.After(time.Now()) && j.Attempt == 0 {
		return nil
	}
	return s.room.Jobs.Schedule(tx, job.Job{Kind: eraseJob, Due: now().Add(eraseDelay)})
}

// erasePatience is how long erasing waits for reads that began before it. Other jobs wait for this one, and
// a backup may take hours, so it comes again later.
const erasePatience = 20 * time.Second

// runErase erases destroyed material, wrapping keys and domain keys from the files of the store. When
// it returns nil without having scheduled itself anew, nothing that was destroyed before it began is
// left in them.
func (s *Service) runErase(ctx context.Context, _ job.Job) error {
	patient, cancel := context.WithTimeout(ctx, erasePatience)
	defer cancel()
	for _, tag := range []string{backingTag, paramsTag, domainTag} {
		err := s.room.Store.Erase(patient, []byte(tag+sep))
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return s.update(ctx, func(tx store.Tx) error {
				return s.room.Jobs.Schedule(tx, job.Job{Kind: eraseJob, Due: now().Add(eraseDelay)})
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
