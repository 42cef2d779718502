package key

// What version 1 wrote, as hexadecimal: the material of fixed, "hello, vault".
const (
	goldenData = "0102020078abababababababababababababababababababababababababababababababab0172c4a750d6adbfd160c0" +
		"5aaffb9abe433468ecd04eeb38834539753a9c42a72f91b5af4b0ee15b2734c98bfe74909e424b880756bb2af265"

	goldenDataKey = "0102030078abababababababababababababababababababababababababababababababab016dbfc8b66827ba5f5dae" +
		"37dea371d9e6e4a64e464d8819116aa1a5699a46957b24ae7d8dd3ea9adbfb76a680f630ac5b300e51054a693731"

	goldenWrapped = "0100000005835a826969bb3d49f89b3d4c8891f9ca5c4a3a7518127c8a319172483fca41e6d493d0c939c7f754b99940" +
		"8373337628e0d063f68de4be02c03bf834668fff9f37ece6846c66e897d62c6005f2e8216b4afbbe238291dcd05948aa" +
		"7b"

	// What version 2 wrote: the same material; HMAC_224 of 28 bytes 08; ML_DSA_44 of a seed of 32 bytes 06.
	goldenWrapped2 = "020000000501b57f8b33492de03eaef22915d44240507b0eeb2134736f79a40ec5e573748b4902e3e2f57d4a0225150f" +
		"e1c89be42567a738063a454a2d65d4a3f403833e3702ccfa2ef81404d67c5177e686c8985e5460f4dea58b608a5e1b58" +
		"74bf"

	goldenWrappedMAC = "02000000050a4f2fc543101af6064fe65b55f4d554f9d5bb0ff8c4e5f1de73e4e3b87e9d7bd4861a1666171cbea1d6d8" +
		"a15f5617f552e2835aa484a2d909eb1aa631d2e4934f500d653d6c6cdd5ade5564f43f3f11cd0139644364a522f3"

	goldenWrappedPair = "02000000050e040a75b9c54c4d3fa840e99c38cab285f9444535a4ac00635abb98c53b30bca2a6b283c78ce04cd87dfe" +
		"ec088f79dae36a59fb22710060ab9a30f96410d41e3e68e2fe2b1604ff38c9bef7a55d396b93663d3f7cb6cbdbc8f05b" +
		"d5590efd931514717ffa953f1018b57d19b7dbde218a6545"

	// Of version 2, with the holder of newHolder.
	goldenOuterData = "0102020078abababababababababababababababababababababababababababababababab0217bd88767e4ac23fd949" +
		"7e329249364c030c763d3195c70d2fec704de8d96c3c9ea461cf2bb2bfe43e6c6963fcb04accf100154f530a7dc47855" +
		"38394b51a323c9cd8fd02a46f346f7abcf569ccdb5bdd5be85313f046e58e54864527e7434340adcc3822666e4178f93" +
		"148dd485dbc74a65381866990cd8ff"

	goldenOuterDataKey = "0102030078abababababababababababababababababababababababababababababababab02d988e3316b3144e5cbc7" +
		"689d052fd113030c763d31a0da4a1a99a6303fbf72a384fe642c9566e6d1c911050d6bddf3730dfc54073b3d16b254e2" +
		"2674147d260caeee401d26cc104b5c2619bc3cab2dd4c47ae87564aa148d6e119d12c0986d1d1a53eca4e3ccd120532d" +
		"e2977f863f435f71ff24e16a8949af"
)
