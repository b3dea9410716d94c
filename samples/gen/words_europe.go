package main

var german = voice{
	Language: "de",
	Topics: map[string]words{
		"printer": {
			[]string{"Drucker in {room} druckt nicht", "{device}: Papierstau in Fach {t}", "Drucker nach dem Update offline"},
			[]string{"Der Drucker nimmt den Auftrag an, aber es kommt kein Blatt heraus.", "Im Fach {t} staut sich das Papier; die Walze ist abgenutzt.", "Die Ausdrucke haben graue Streifen, obwohl der Toner neu ist."},
			[]string{"Druckwarteschlange geleert und Dienst neu gestartet.", "Einzugsrolle getauscht, 50 Seiten ohne Stau.", "Tonerkartusche für 89,90 € bestellt und eingesetzt."},
		},
		"vpn": {
			[]string{"VPN bricht nach {n} Minuten ab", "Keine VPN-Verbindung aus dem Homeoffice"},
			[]string{"Die VPN-Verbindung steht, bricht aber nach {n} Minuten ab.", "{device} meldet, das Gateway sei nicht erreichbar."},
			[]string{"Auf das zweite VPN-Gateway umgestellt, seither stabil.", "Gerätezertifikat erneuert."},
		},
		"laptop": {
			[]string{"Laptop wacht nicht auf", "{device}: Akku hält nur {n} Minuten"},
			[]string{"Der Laptop bleibt schwarz, wenn man ihn aufklappt.", "Der Akku des {device} ist nach {n} Minuten leer und der Lüfter läuft ständig."},
			[]string{"BIOS und Dockingstation aktualisiert.", "Akku auf Garantie getauscht, Wert 129,00 €."},
		},
		"password": {
			[]string{"Passwort für {device} zurücksetzen", "Konto nach dem Urlaub gesperrt"},
			[]string{"Nach drei Wochen Urlaub weiß ich mein Passwort für {device} nicht mehr.", "Das Konto ist gesperrt, das Handy schickt immer noch das alte Passwort."},
			[]string{"Passwort zurückgesetzt, Anmeldung geprüft.", "Altes Passwort vom Handy gelöscht und Konto entsperrt."},
		},
		"invoice": {
			[]string{"Rechnung {i} lässt sich nicht buchen", "Lieferantenrechnung fehlt in {device}"},
			[]string{"Die Rechnung über 1.249,90 € hängt im Workflow, der Freigeber ist krank.", "{device} zeigt die Rechnung als bezahlt, der Lieferant mahnt trotzdem."},
			[]string{"Rechnung an die Vertretung geleitet und gebucht.", "Steuerschlüssel berichtigt, Rechnung {i} neu gebucht."},
		},
		"email": {
			[]string{"{device} sendet nicht", "Postfach voll"},
			[]string{"Nachrichten bleiben im Postausgang von {device} liegen.", "Das Gruppenpostfach ist seit Montag verschwunden."},
			[]string{"Outlook-Profil neu angelegt.", "Archiv eingeschaltet, {n} GB verschoben."},
		},
		"network": {
			[]string{"Kein WLAN in {room}", "Netz im {t}. Stock sehr langsam"},
			[]string{"In {room} bekommt niemand WLAN, der Access Point blinkt orange.", "Eine Datei von {n} MB braucht zehn Minuten."},
			[]string{"Access Point {device} getauscht.", "Netzwerkkabel ersetzt, Port läuft wieder mit 1 Gbit/s."},
		},
		"access": {
			[]string{"Zugriff auf {device} fehlt", "Rechte nach Abteilungswechsel weg"},
			[]string{"Seit dem Abteilungswechsel kann ich {device} nicht öffnen.", "Ich sehe Dokumente einer anderen Abteilung, das kann nicht stimmen."},
			[]string{"Nach Freigabe durch den Eigentümer in die Gruppe aufgenommen.", "Vererbte Rechte entfernt, Eigentümer informiert."},
		},
	},
	Details: []string{"Es begann am Montag.", "Die Kollegen in {room} haben dasselbe Problem.", "Neu gestartet habe ich schon zweimal.", "Es eilt, um {h} Uhr kommt ein Kunde.", "Bitte vorher anrufen."},
	Rooms:   []string{"Raum 2.07", "der Poststelle", "der Prüfhalle", "Besprechungsraum Isar"},
	Home:    "Wissensdatenbank", Symptoms: "Symptome", Solution: "Lösung", Table: "Geräte und Versionen", Related: "Siehe auch", Updated: "Zuletzt geprüft", Intro: "Dieser Artikel hilft allen, die diese Störung haben, und dem Kollegen, der den Anruf annimmt.",
}

var italian = voice{
	Language: "it",
	Topics: map[string]words{
		"printer": {
			[]string{"La stampante in {room} non stampa", "{device}: carta inceppata nel cassetto {t}", "Stampante non in linea dopo l'aggiornamento"},
			[]string{"La stampante riceve il lavoro ma non esce nessun foglio.", "La carta si inceppa nel cassetto {t} anche con la risma nuova.", "Le pagine hanno righe grigie, il toner è stato cambiato ieri."},
			[]string{"Svuotata la coda di stampa e riavviato il servizio.", "Sostituito il rullo, 50 pagine senza inceppamenti.", "Cartuccia nuova installata, costo 84,50 €."},
		},
		"vpn": {
			[]string{"La VPN cade ogni {n} minuti", "VPN non raggiungibile da casa"},
			[]string{"La VPN si collega e cade dopo {n} minuti, internet funziona.", "{device} dice che il gateway non risponde."},
			[]string{"Spostato sul secondo gateway VPN, ora è stabile.", "Rinnovato il certificato del computer."},
		},
		"laptop": {
			[]string{"Il portatile non si riattiva", "{device}: la batteria dura {n} minuti"},
			[]string{"Quando apro il portatile lo schermo resta nero.", "La batteria del {device} si scarica in {n} minuti e la ventola è sempre accesa."},
			[]string{"Aggiornati BIOS e docking station.", "Batteria sostituita in garanzia, valore 119,00 €."},
		},
		"password": {
			[]string{"Reimpostare la password di {device}", "Account bloccato dopo le ferie"},
			[]string{"Dopo le ferie non ricordo più la password di {device}.", "L'account è bloccato perché il telefono usa ancora la vecchia password."},
			[]string{"Password reimpostata, accesso verificato.", "Tolta la vecchia password dal telefono e sbloccato l'account."},
		},
		"invoice": {
			[]string{"La fattura {i} non si registra", "Fattura fornitore assente in {device}"},
			[]string{"La fattura di 2.430,75 € è ferma perché chi approva è in ferie.", "{device} dà la fattura come pagata ma il fornitore sollecita."},
			[]string{"Fattura inoltrata al sostituto e registrata.", "Corretto il codice IVA e registrata di nuovo la fattura {i}."},
		},
		"email": {
			[]string{"{device} non invia", "Casella piena"},
			[]string{"I messaggi restano nella posta in uscita di {device}.", "La casella condivisa è sparita da lunedì."},
			[]string{"Ricreato il profilo di Outlook.", "Attivato l'archivio, spostati {n} GB."},
		},
		"network": {
			[]string{"Niente Wi-Fi in {room}", "Rete lentissima al piano {t}"},
			[]string{"In {room} nessuno riceve il Wi-Fi, la luce dell'access point è arancione.", "Copiare un file di {n} MB richiede dieci minuti."},
			[]string{"Sostituito l'access point {device}.", "Cambiato il cavo di rete, la porta è di nuovo a 1 Gbit/s."},
		},
		"access": {
			[]string{"Serve l'accesso a {device}", "Permessi persi dopo il cambio di ufficio"},
			[]string{"Ho cambiato ufficio e non apro più {device}.", "Vedo i documenti di un altro gruppo, non può essere giusto."},
			[]string{"Aggiunto al gruppo dopo l'approvazione del responsabile.", "Tolti i permessi ereditati, avvisato il responsabile."},
		},
	},
	Details: []string{"È cominciato lunedì.", "I colleghi in {room} hanno lo stesso problema.", "Ho già riavviato due volte.", "È urgente, alle {h} arriva un cliente.", "La settimana scorsa funzionava: perché ora no?"},
	Rooms:   []string{"sala Tevere", "magazzino", "segreteria", "ufficio 12"},
	Home:    "Base di conoscenza", Symptoms: "Sintomi", Solution: "Soluzione", Table: "Dispositivi e versioni", Related: "Vedi anche", Updated: "Ultima revisione", Intro: "Questo articolo è per chi ha questo problema e per il collega che risponde alla chiamata.",
}

var french = voice{
	Language: "fr",
	Topics: map[string]words{
		"printer": {
			[]string{"L'imprimante de {room} n'imprime pas", "{device} : bourrage papier dans le bac {t}"},
			[]string{"L'imprimante accepte le travail mais aucune feuille ne sort.", "Le papier se bloque dans le bac {t} malgré une ramette neuve.", "L'imprimante apparaît hors ligne depuis la mise à jour."},
			[]string{"File d'attente vidée et service redémarré.", "Rouleau remplacé, 50 pages sans bourrage."},
		},
		"vpn": {
			[]string{"Le VPN coupe toutes les {n} minutes", "VPN inaccessible depuis la maison"},
			[]string{"Le VPN se connecte puis coupe après {n} minutes.", "{device} indique que la passerelle ne répond pas."},
			[]string{"Passage à la deuxième passerelle VPN, stable depuis.", "Certificat de la machine renouvelé."},
		},
		"laptop": {
			[]string{"L'ordinateur portable ne se réveille pas", "{device} : batterie vide en {n} minutes"},
			[]string{"L'écran reste noir à l'ouverture du portable.", "La batterie du {device} se vide en {n} minutes et le ventilateur tourne sans arrêt."},
			[]string{"BIOS et station d'accueil mis à jour.", "Batterie remplacée sous garantie."},
		},
		"password": {
			[]string{"Réinitialiser le mot de passe {device}", "Compte bloqué après les congés"},
			[]string{"J'ai oublié mon mot de passe {device} pendant les congés.", "Le compte est bloqué, le téléphone envoie encore l'ancien mot de passe."},
			[]string{"Mot de passe réinitialisé, connexion vérifiée.", "Ancien mot de passe supprimé du téléphone, compte débloqué."},
		},
		"invoice": {
			[]string{"La facture {i} ne peut pas être comptabilisée", "Facture fournisseur absente de {device}"},
			[]string{"La facture de 3 418,20 € attend une personne en congé.", "{device} donne la facture comme payée, le fournisseur relance."},
			[]string{"Facture transmise au suppléant et comptabilisée.", "Code de TVA corrigé, facture {i} comptabilisée."},
		},
		"email": {
			[]string{"{device} n'envoie plus", "Boîte aux lettres pleine"},
			[]string{"Les messages restent dans la boîte d'envoi de {device}.", "La boîte partagée a disparu depuis lundi."},
			[]string{"Profil Outlook recréé.", "Archive activée, {n} Go déplacés."},
		},
		"network": {
			[]string{"Pas de Wi-Fi dans {room}", "Réseau très lent au {t}e étage"},
			[]string{"Personne ne capte le Wi-Fi dans {room}, la borne clignote en orange.", "Copier un fichier de {n} Mo prend dix minutes."},
			[]string{"Borne {device} remplacée.", "Câble réseau changé."},
		},
		"access": {
			[]string{"Accès à {device} nécessaire", "Droits perdus après un changement de service"},
			[]string{"J'ai changé de service et je ne peux plus ouvrir {device}.", "Je vois les documents d'un autre service, ce n'est pas normal."},
			[]string{"Ajouté au groupe après accord du responsable.", "Droits hérités supprimés."},
		},
	},
	Details: []string{"Cela a commencé lundi.", "Mes collègues de {room} ont le même problème.", "J'ai déjà redémarré deux fois.", "C'est urgent, un client arrive à {h} heures.", "Où en êtes-vous ?"},
	Rooms:   []string{"la salle Loire", "l'accueil", "l'atelier", "la comptabilité"},
	Home:    "Base de connaissances", Symptoms: "Symptômes", Solution: "Que faire", Table: "Appareils et versions", Related: "Voir aussi", Updated: "Dernière révision", Intro: "Cet article s'adresse à ceux qui rencontrent ce problème et au collègue qui prend l'appel.",
}

var spanish = voice{
	Language: "es",
	Topics: map[string]words{
		"printer": {
			[]string{"La impresora de {room} no imprime", "{device}: atasco de papel en la bandeja {t}"},
			[]string{"La impresora acepta el trabajo pero no sale ninguna hoja.", "El papel se atasca en la bandeja {t} aunque es nuevo.", "Las páginas salen con rayas grises."},
			[]string{"Cola de impresión vaciada y servicio reiniciado.", "Rodillo cambiado, 50 páginas sin atasco."},
		},
		"vpn": {
			[]string{"La VPN se corta cada {n} minutos", "No hay conexión VPN desde casa"},
			[]string{"La VPN conecta y se corta a los {n} minutos.", "{device} dice que la puerta de enlace no responde."},
			[]string{"Pasado a la segunda puerta de enlace VPN.", "Certificado del equipo renovado."},
		},
		"laptop": {
			[]string{"El portátil no despierta", "{device}: la batería dura {n} minutos"},
			[]string{"La pantalla del portátil se queda negra al abrirlo.", "La batería del {device} se agota en {n} minutos."},
			[]string{"BIOS y base actualizados.", "Batería cambiada en garantía."},
		},
		"password": {
			[]string{"Restablecer la contraseña de {device}", "Cuenta bloqueada después de las vacaciones"},
			[]string{"Olvidé la contraseña de {device} en vacaciones.", "La cuenta está bloqueada, el teléfono usa la contraseña antigua."},
			[]string{"Contraseña restablecida y comprobada.", "Contraseña antigua borrada del teléfono."},
		},
		"invoice": {
			[]string{"La factura {i} no se puede contabilizar", "Falta la factura del proveedor en {device}"},
			[]string{"La factura de 1.980,40 € espera a un compañero de baja.", "{device} muestra la factura como pagada y el proveedor reclama."},
			[]string{"Factura enviada al suplente y contabilizada.", "Código de IVA corregido."},
		},
		"email": {
			[]string{"{device} no envía", "Buzón lleno"},
			[]string{"Los mensajes se quedan en la bandeja de salida de {device}.", "El buzón compartido desapareció el lunes."},
			[]string{"Perfil de Outlook creado de nuevo.", "Archivo activado, {n} GB movidos."},
		},
		"network": {
			[]string{"Sin wifi en {room}", "Red muy lenta en la planta {t}"},
			[]string{"Nadie recibe wifi en {room}, la luz está naranja.", "Copiar un archivo de {n} MB tarda diez minutos."},
			[]string{"Punto de acceso {device} cambiado.", "Cable de red cambiado."},
		},
		"access": {
			[]string{"Necesito acceso a {device}", "Permisos perdidos al cambiar de equipo"},
			[]string{"He cambiado de equipo y no puedo abrir {device}.", "Veo documentos de otro departamento, no puede ser correcto."},
			[]string{"Añadido al grupo con el visto bueno del dueño.", "Permisos heredados retirados."},
		},
	},
	Details: []string{"Empezó el lunes.", "Los compañeros de {room} tienen el mismo problema.", "Ya he reiniciado dos veces.", "Es urgente, a las {h} viene un cliente.", "¿Pueden llamarme antes?"},
	Rooms:   []string{"la sala Duero", "recepción", "el almacén", "la oficina 4"},
	Home:    "Base de conocimiento", Symptoms: "Síntomas", Solution: "Qué hacer", Table: "Equipos y versiones", Related: "Véase también", Updated: "Última revisión", Intro: "Este artículo es para quien tiene este problema y para el compañero que atiende la llamada.",
}
