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
)
