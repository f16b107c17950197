package main

// realFigures are what the files of "CRM Sales Opportunities" come to, as computed from
// them without this library: the name of a row, won, lost, won value and win rate.
var realFigures = map[string][][]string{
	"Won by quarter": {
		{"2017-Q1", "531", "116", "1134672.00 USD", "0.8207"},
		{"2017-Q2", "1254", "778", "3086111.00 USD", "0.6171"},
		{"2017-Q3", "1257", "790", "2982255.00 USD", "0.6141"},
		{"2017-Q4", "1196", "789", "2802496.00 USD", "0.6025"},
	},
	"Won by manager": {
		{"Melvin Marxen", "882", "536", "2251930.00 USD", "0.622"},
		{"Summer Sewald", "828", "459", "1964750.00 USD", "0.6434"},
		{"Rocco Neubert", "691", "422", "1960545.00 USD", "0.6208"},
		{"Celia Rouche", "610", "352", "1603897.00 USD", "0.6341"},
		{"Cara Losch", "480", "265", "1130049.00 USD", "0.6443"},
		{"Dustin Brinkmann", "747", "439", "1094363.00 USD", "0.6298"},
	},
	"Won by sales agent": {
		{"Darcel Schlecht", "349", "204", "1153214.00 USD", "0.6311"},
		{"Vicki Laflamme", "221", "126", "478396.00 USD", "0.6369"},
		{"Kary Hendrixson", "209", "126", "454298.00 USD", "0.6239"},
		{"Cassey Cress", "163", "98", "450489.00 USD", "0.6245"},
		{"Donn Cantrell", "158", "117", "445860.00 USD", "0.5745"},
		{"Reed Clapper", "155", "82", "438336.00 USD", "0.654"},
		{"Zane Levy", "161", "100", "430068.00 USD", "0.6169"},
		{"Corliss Cosme", "150", "79", "421036.00 USD", "0.655"},
		{"James Ascencio", "135", "71", "413533.00 USD", "0.6553"},
		{"Daniell Hammack", "114", "73", "364229.00 USD", "0.6096"},
		{"Maureen Marcano", "149", "64", "350395.00 USD", "0.6995"},
		{"Gladys Colclough", "135", "97", "345674.00 USD", "0.5819"},
		{"Markita Hansen", "130", "97", "328792.00 USD", "0.5727"},
		{"Kami Bicknell", "174", "98", "316456.00 USD", "0.6397"},
		{"Marty Freudenburg", "122", "72", "291195.00 USD", "0.6289"},
		{"Elease Gluck", "80", "46", "289195.00 USD", "0.6349"},
		{"Jonathan Berthelot", "171", "93", "284886.00 USD", "0.6477"},
		{"Anna Snelling", "208", "128", "275056.00 USD", "0.619"},
		{"Hayden Neloms", "107", "45", "272111.00 USD", "0.7039"},
		{"Boris Faz", "101", "52", "261631.00 USD", "0.6601"},
		{"Rosalina Dieter", "72", "38", "235403.00 USD", "0.6545"},
		{"Rosie Papadopoulos", "78", "43", "230169.00 USD", "0.6446"},
		{"Cecily Lampkin", "107", "53", "229800.00 USD", "0.6688"},
		{"Moses Frase", "129", "66", "207182.00 USD", "0.6615"},
		{"Garret Kinder", "75", "48", "197773.00 USD", "0.6098"},
		{"Lajuana Vencill", "127", "104", "194632.00 USD", "0.5498"},
		{"Versie Hillebrand", "176", "88", "187693.00 USD", "0.6667"},
		{"Niesha Huffines", "105", "70", "176961.00 USD", "0.6"},
		{"Wilburn Farren", "55", "24", "157640.00 USD", "0.6962"},
		{"Violet Mclelland", "122", "71", "123431.00 USD", "0.6321"},
	},
	"Won by product": {
		{"GTX Pro", "729", "418", "3510578.00 USD", "0.6356"},
		{"GTX Plus Pro", "479", "266", "2629651.00 USD", "0.643"},
		{"MG Advanced", "654", "430", "2216387.00 USD", "0.6033"},
		{"GTX Plus Basic", "653", "398", "705275.00 USD", "0.6213"},
		{"GTX Basic", "915", "521", "499263.00 USD", "0.6372"},
		{"GTK 500", "15", "10", "400612.00 USD", "0.6"},
		{"MG Special", "793", "430", "43768.00 USD", "0.6484"},
	},
	"Won by office": {
		{"West", "1438", "811", "3568647.00 USD", "0.6394"},
		{"Central", "1629", "975", "3346293.00 USD", "0.6256"},
		{"East", "1171", "687", "3090594.00 USD", "0.6302"},
	},
}

// realSectors are the same by sector: won and won value.
//
//nolint:misspell // as the data spells it
var realSectors = [][]string{
	{"retail", "799", "1867528.00 USD"},
	{"technolgy", "671", "1515487.00 USD"},
	{"medical", "592", "1359595.00 USD"},
	{"software", "450", "1077934.00 USD"},
	{"finance", "375", "950908.00 USD"},
	{"marketing", "404", "922321.00 USD"},
	{"entertainment", "260", "689007.00 USD"},
	{"telecommunications", "285", "653574.00 USD"},
	{"services", "223", "533006.00 USD"},
	{"employment", "179", "436174.00 USD"},
}
