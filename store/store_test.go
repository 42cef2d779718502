package store_test

import (
	"testing"

	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, store.OpenTest)
}

func TestContractOfSub(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.DB {
		db := store.OpenTest(t)
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return store.Sub(store.Sub(db, "house/"), "room/")
	})
}
