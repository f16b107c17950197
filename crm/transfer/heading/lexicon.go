package heading

//nolint:gochecknoglobals // a dictionary is constant
var (
	// synonyms are words that mean the same as another.
	synonyms = map[string]string{
		"mail": "email", "mails": "email", "emails": "email", "emailaddress": "email",
		"tel": "phone", "telephone": "phone", "ph": "phone", "phones": "phone", "telefon": "phone", "telefono": "phone", "telephonenumber": "phone",
		"cell": "mobile", "cellphone": "mobile", "cellular": "mobile", "handy": "mobile", "mob": "mobile", "mobilephone": "mobile", "movil": "mobile", "portable": "mobile", "iphone": "mobile",
		"no": "number", "num": "number", "nr": "number", "nbr": "number", "nos": "number",
		"organization": "organisation", "company": "organisation", "companies": "organisation", "organizations": "organisation", "org": "organisation",
		"firm": "organisation", "employer": "organisation", "business": "work", "enterprise": "organisation", "corporation": "organisation",
		"account": "organisation", "accounts": "organisation", "firma": "organisation", "unternehmen": "organisation", "empresa": "organisation", "societe": "organisation",
		"surname": "familyname", "lname": "familyname", "nachname": "familyname", "apellido": "familyname", "apellidos": "familyname", "nom": "familyname",
		"forename": "givenname", "fname": "givenname", "vorname": "givenname", "prenom": "givenname", "nombre": "givenname",
		"fullname": "name", "displayname": "name", "names": "name",
		"zip": "postcode", "zipcode": "postcode", "postalcode": "postcode", "plz": "postcode", "pincode": "postcode", "eircode": "postcode",
		"province": "state", "prefecture": "state", "region": "state", "county": "state", "bundesland": "state", "territory": "state",
		"town": "city", "locality": "city", "municipality": "city", "ort": "city", "stadt": "city", "ciudad": "city", "ville": "city", "village": "city",
		"suburb": "district", "neighborhood": "district", "neighbourhood": "district",
		"addr": "address", "adresse": "address", "direccion": "address", "address": "address",
		"land": "country", "pays": "country", "pais": "country", "nation": "country",
		"strasse": "street", "straße": "street", "str": "street", "rue": "street", "calle": "street",
		"dob": "birthday", "birthdate": "birthday", "birthdays": "birthday", "geburtsdatum": "birthday", "geburtstag": "birthday", "bday": "birthday",
		"sex": "gender", "geschlecht": "gender",
		"id": "id", "ids": "id", "identifier": "id", "key": "id", "guid": "id", "uuid": "id", "uid": "id",
		"sector": "industry", "branch": "industry", "vertical": "industry", "branche": "industry",
		"web": "website", "url": "website", "homepage": "website", "site": "website", "webpage": "website", "www": "website", "webseite": "website",
		"tag": "tags", "tags": "tags", "labels": "tags", "categories": "tags", "keywords": "keyword",
		"note": "notes", "comment": "notes", "comments": "notes", "remark": "notes", "remarks": "notes", "memo": "notes", "notizen": "notes", "bemerkung": "notes",
		"salutation": "salutation", "honorific": "salutation", "anrede": "salutation", "courtesy": "salutation",
		"lang": "language", "locale": "language", "sprache": "language",
		"customers": "customer", "client": "customer", "clients": "customer", "kunde": "customer", "kunden": "customer", "buyer": "customer", "shopper": "customer",
		"contacts": "contact", "leads": "lead", "persons": "person", "members": "member", "subscriber": "member", "users": "user", "recipient": "person",
		"opportunity": "deal", "opportunities": "deal", "deals": "deal", "opp": "deal", "potential": "deal",
		"products": "product", "item": "product", "sku": "sku",
		"invoice": "order", "order": "order", "purchase": "order", "purchases": "orders",
		"private": "home", "personal": "home", "residential": "home", "privat": "home",
		"office": "work", "day": "work", "daytime": "work", "geschaeftlich": "work", "direct": "work",
		"alternate": "second", "alternative": "second", "alt": "second", "secondary": "second", "additional": "second", "another": "second",
		"primary": "main", "default": "main", "preferred": "main", "principal": "main", "haupt": "main",
		"delivery": "shipping", "ship": "shipping", "bill": "billing", "invoicing": "billing", "mailing": "mailing", "postal": "postal",
		"created": "created", "creation": "created", "create": "created", "registered": "created", "added": "created", "joined": "created", "signup": "created", "add": "created", "erstellt": "created",
		"modified": "updated", "changed": "updated", "update": "updated", "modification": "updated", "modify": "updated", "edited": "updated",
		"on": "at", "time": "date", "datetime": "date", "timestamp": "date", "datum": "date", "fecha": "date",
		"assigned": "owner", "assignee": "owner", "owned": "owner", "salesperson": "owner", "salesrep": "owner", "vertriebsmitarbeiter": "owner",
		"spend": "spent", "ltv": "spent", "clv": "spent",
		"employee": "employees", "headcount": "employees", "staff": "employees", "mitarbeiter": "employees",
		"turnover": "revenue", "umsatz": "revenue",
		"closing": "close", "closed": "close", "betrag": "amount", "importe": "amount", "montant": "amount", "total": "total",
		"qty": "quantity", "menge": "quantity", "preis": "price", "wahrung": "currency", "waehrung": "currency", "curr": "currency", "ccy": "currency",
		"position": "jobtitle", "role": "jobtitle", "designation": "jobtitle", "jobtitle": "jobtitle", "beruf": "jobtitle", "funktion": "jobtitle", "puesto": "jobtitle",
		"dept": "department", "abteilung": "department", "division": "department",
		"subsidiary": "parent", "headquarters": "hq",
		"vat": "vat", "ust": "vat", "tin": "vat", "ein": "vat", "abn": "vat",
		"ssn": "nationalid", "passport": "nationalid", "cpf": "nationalid", "nin": "nationalid",
		"st": "street", "housenumber": "housenumber", "hausnummer": "housenumber",
		"pobox": "postbox", "postfach": "postbox", "spitzname": "nickname",
	}

	// compounds are several words written as one.
	compounds = map[string]string{
		"firstname": "first name", "lastname": "last name", "givenname": "given name", "familyname": "family name", "middlename": "middle name",
		"companyname": "organisation name", "orgname": "organisation name", "accountname": "organisation name", "businessname": "organisation name",
		"customername": "customer name", "contactname": "contact name", "username": "user login",
		"customerid": "customer id", "contactid": "contact id", "leadid": "lead id", "recordid": "record id", "accountid": "organisation id", "userid": "user id",
		"phonenumber": "phone number", "mobilenumber": "mobile number", "emailid": "email id", "countrycode": "country code", "postalcode": "postcode", "dateofbirth": "birthday",
		"createdat": "created at", "createddate": "created date", "createdate": "created date", "createdon": "created at", "updatedat": "updated at", "lastmodified": "last updated",
		"ownername": "owner name", "ownerid": "owner id", "closedate": "close date", "dealname": "deal name", "dealvalue": "deal value", "dealstage": "deal stage",
		"streetaddress": "street address", "streetnumber": "street number", "leadsource": "lead source", "leadstatus": "lead status", "homephone": "home phone", "workphone": "work phone",
		"mobilephone": "mobile phone", "annualrevenue": "annual revenue", "numberofemployees": "number of employees", "jobtitle": "job title", "rep": "owner",
	}

	// chinese are words of headings, in the words above.
	chinese = map[string]string{
		"姓名": "full name", "名字": "given name", "名": "given name", "姓": "family name", "姓氏": "family name", "中文名": "full name", "英文名": "nickname", "昵称": "nickname", "称呼": "salutation", "称谓": "salutation", "尊称": "salutation",
		"名称": "name", "全称": "name", "简称": "nickname", "联系人": "contact", "客户": "customer", "顾客": "customer", "会员": "member", "用户": "user", "买家": "customer", "线索": "lead", "潜在客户": "lead", "收件人": "person", "收货人": "person",
		"公司": "organisation", "企业": "organisation", "单位": "organisation", "机构": "organisation", "组织": "organisation", "工作单位": "organisation name", "所属公司": "organisation name", "公司名": "organisation name", "公司名称": "organisation name", "企业名称": "organisation name", "单位名称": "organisation name", "公司全称": "organisation name", "客户公司": "organisation name", "所在公司": "organisation name",
		"部门": "department", "职位": "job title", "职务": "job title", "岗位": "job title", "职称": "job title", "头衔": "job title",
		"行业": "industry", "所属行业": "industry", "所在行业": "industry", "产业": "industry", "员工": "employees", "员工数": "employees", "员工人数": "employees", "人数": "employees", "人员规模": "employees", "企业规模": "employees", "公司规模": "employees", "规模": "employees",
		"营业额": "revenue", "年营业额": "revenue", "年收入": "revenue", "年销售额": "revenue", "成立年份": "founded", "成立时间": "founded", "成立日期": "founded", "税号": "tax id", "纳税人识别号": "tax id", "统一社会信用代码": "tax id", "信用代码": "tax id",
		"上级": "parent", "上级公司": "parent", "上级客户": "parent", "母公司": "parent", "总公司": "parent",
		"手机": "mobile", "手机号": "mobile", "手机号码": "mobile", "移动电话": "mobile", "电话": "phone", "电话号码": "phone", "联系电话": "phone", "座机": "phone", "固话": "phone", "固定电话": "phone", "办公电话": "work phone", "公司电话": "work phone", "家庭电话": "home phone", "联系方式": "phone", "传真": "fax",
		"邮箱": "email", "电子邮箱": "email", "邮箱地址": "email", "电子邮件": "email", "邮件": "email", "邮件地址": "email", "电邮": "email", "网址": "website", "网站": "website", "主页": "website", "官网": "website", "公司网址": "website",
		"地址": "address", "详细地址": "address", "住址": "address", "家庭住址": "home address", "收货地址": "shipping address", "联系地址": "address", "通讯地址": "address", "街道": "street", "街道地址": "street", "门牌号": "house number", "城市": "city", "市": "city", "所在城市": "city", "区": "district", "区县": "district", "县": "district", "省": "state", "省份": "state", "省市": "state", "所在省": "state", "州": "state", "邮编": "postcode", "邮政编码": "postcode", "国家": "country", "地区": "country", "国家地区": "country", "国籍": "country",
		"生日": "birthday", "出生日期": "birthday", "出生年月": "birthday", "性别": "gender", "身份证": "national id", "身份证号": "national id", "身份证号码": "national id", "语言": "language",
		"备注": "notes", "说明": "notes", "描述": "notes", "标签": "tags", "分组": "tags", "来源": "source", "渠道": "source", "状态": "status", "类型": "type", "级别": "level", "等级": "level",
		"编号": "id", "编码": "id", "代码": "code", "号码": "number", "号": "number", "负责人": "owner", "所有人": "owner", "所有者": "owner", "归属人": "owner", "跟进人": "owner", "业务员": "owner", "销售": "owner", "销售员": "owner", "所属销售": "owner", "销售代表": "owner", "客户经理": "owner", "业务": "owner",
		"创建": "created", "创建时间": "created", "创建日期": "created", "注册时间": "created", "注册日期": "created", "添加时间": "created", "录入时间": "created", "加入时间": "created", "更新时间": "updated", "修改时间": "updated", "最后修改时间": "updated", "更新日期": "updated", "最后更新时间": "updated", "最近更新时间": "updated", "更新于": "updated", "创建于": "created",
		"商机": "deal", "机会": "deal", "销售机会": "deal", "交易": "deal", "项目": "deal", "合同": "deal", "阶段": "stage", "商机阶段": "stage", "销售阶段": "stage", "当前阶段": "stage", "金额": "amount", "预计金额": "amount", "商机金额": "amount", "合同金额": "amount", "销售金额": "amount", "成交金额": "amount", "币种": "currency", "货币": "currency",
		"预计成交日期": "close date", "成交日期": "close date", "成交时间": "close date", "结单日期": "close date", "预计成交时间": "close date", "预计结束日期": "close date", "赢率": "probability", "概率": "probability", "产品": "product", "商品": "product", "价格": "price", "单价": "price", "数量": "quantity", "订单": "order", "订单数": "orders", "消费总额": "spent", "累计消费": "spent", "累计消费金额": "spent", "消费金额": "spent",
		"家庭": "home", "住宅": "home", "个人": "home", "办公": "work", "工作": "work", "其他": "other", "备用": "second", "主要": "main", "默认": "main", "必填": "main", "账单": "billing", "收货": "shipping", "寄送": "shipping", "所属": "main", "第二": "second",
	}

	// phrases are what columns hold. The longest that a heading has counts.
	phrases = map[string]Role{
		"full name": FullName, "name": FullName, "complete name": FullName, "contact": FullName, "contact person": FullName, "contact full name": FullName, "lead": FullName, "customer": FullName, "person": FullName,
		"given name": GivenName, "first name": GivenName, "first": GivenName, "given": GivenName, "givenname": GivenName, "f name": GivenName, "fore name": GivenName, "christian name": GivenName, "preferred first name": GivenName,
		"family name": FamilyName, "last name": FamilyName, "last": FamilyName, "familyname": FamilyName, "sur name": FamilyName, "family": FamilyName, "l name": FamilyName,
		"middle name": MiddleName, "middle": MiddleName, "second given name": MiddleName, "middle initial": MiddleName, "second name": MiddleName, "second given": MiddleName, "other name": MiddleName,
		"name prefix": NamePrefix, "prefix": NamePrefix, "salutation": NamePrefix, "title of salutation": NamePrefix, "honorific prefix": NamePrefix, "mr mrs": NamePrefix,
		"name suffix": NameSuffix, "suffix": NameSuffix, "nickname": Nickname, "nick name": Nickname, "known as": Nickname, "alias": Nickname,
		"gender": Gender, "birthday": Birthday, "date of birth": Birthday, "birth date": Birthday, "d o b": Birthday, "born": Birthday, "birth": Birthday,
		"nationalid": NationalID, "national id": NationalID, "social security number": NationalID, "soc sec id": NationalID, "social security": NationalID, "identity card number": NationalID, "identity number": NationalID, "nationalid number": NationalID, "soc sec number": NationalID, "national insurance number": NationalID,
		"language": Language, "preferred language": Language, "main language": Language,

		"organisation": Organisation, "organisation name": Organisation, "name of organisation": Organisation, "organisation title name": Organisation, "trading name": Organisation, "legal name": Organisation, "works for": Organisation, "work name": Organisation, "work": Organisation, "works at": Organisation, "school": Organisation, "institution": Organisation, "customer organisation": Organisation, "supplier": Organisation, "supplier name": Organisation, "vendor": Organisation, "vendor name": Organisation,
		"department": Department, "organisation department": Department, "job title": JobTitle, "title": JobTitle, "jobtitle": JobTitle, "jobtitle title": JobTitle, "jobtitle name": JobTitle, "job": JobTitle, "organisation title": JobTitle, "contact title": JobTitle, "job jobtitle": JobTitle, "job function": JobTitle,
		"industry": Industry, "industry type": Industry, "type of industry": Industry, "line of organisation": Industry, "employees": Employees, "number of employees": Employees, "number employees": Employees, "employees count": Employees, "employees number": Employees, "organisation size": Employees, "size": Employees, "employees range": Employees,
		"revenue": Revenue, "annual revenue": Revenue, "yearly revenue": Revenue, "annual sales": Revenue, "sales volume": Revenue, "founded": Founded, "year founded": Founded, "founded year": Founded, "year established": Founded, "established": Founded, "founding year": Founded, "year of founding": Founded, "founded in": Founded, "date founded": Founded,
		"tax id": TaxID, "vat": TaxID, "vat number": TaxID, "vat id": TaxID, "tax number": TaxID, "tax identification number": TaxID, "vat registration number": TaxID, "registration number": TaxID, "organisation registration number": TaxID,
		"parent": Parent, "parent organisation": Parent, "parent organisation name": Parent, "parent of": Parent, "parent name": Parent, "member of": Parent, "parent customer": Parent, "parent id": Parent, "parent organisation id": Parent, "holding": Parent, "mother organisation": Parent,

		"email": Email, "email address": Email, "email id": Email, "email value": Email, "contact email": Email, "address email": Email,
		"phone": Phone, "phone number": Phone, "phone value": Phone, "contact number": Phone, "landline": Phone, "land line": Phone, "number phone": Phone, "call number": Phone, "line": Phone,
		"mobile": Mobile, "mobile phone": Mobile, "mobile number": Mobile, "mobile phone number": Mobile, "phone mobile": Mobile, "sms": Mobile, "sms phone number": Mobile, "sms number": Mobile, "whatsapp": Mobile, "whats app": Mobile, "whatsapp number": Mobile, "whatsapp phone number": Mobile, "mobile contact number": Mobile,
		"fax": Fax, "fax number": Fax, "phone fax": Fax, "website": Website, "website address": Website, "website website": Website, "website page": Website, "organisation domain": Website, "domain": Website, "domain name": Website, "organisation domain name": Website, "website value": Website,

		"address": Address, "full address": Address, "address formatted": Address, "address 1 formatted": Address, "address 2 formatted": Address, "formatted address": Address, "complete address": Address, "postal address": Address, "address block": Address, "mailing address": Address, "location": Address,
		"street": Street, "street address": Street, "address street": Street, "address line 1": Street, "address 1": Street, "street 1": Street, "street line 1": Street, "street name": Street, "address line": Street, "line 1": Street, "address line one": Street, "street address line 1": Street, "street address 1": Street, "address address 1": Street, "house street": Street, "road": Street,
		"address line 2": Street2, "address 2": Street2, "street 2": Street2, "street line 2": Street2, "street address line 2": Street2, "street address 2": Street2, "address address 2": Street2, "line 2": Street2, "apartment": Street2, "unit": Street2, "extended address": Street2, "address extended address": Street2, "suite": Street2, "address line two": Street2, "apt": Street2,
		"house number": HouseNumber, "street number": HouseNumber, "housenumber": HouseNumber, "building number": HouseNumber, "house": HouseNumber, "po box": PostBox, "postbox": PostBox, "post box": PostBox, "post office box": PostBox, "address po box": PostBox,
		"district": District, "city": City, "city name": City, "postcode": Postcode, "postal code": Postcode, "post code": Postcode, "postcode code": Postcode, "postal": Postcode, "pin code": Postcode,
		"state": State, "state code": State, "state name": State, "state state": State, "country": Country, "country name": Country, "country code": Country, "country iso": Country, "country iso code": Country, "iso country": Country, "country state": Country, "iso code country": Country,

		"id": ExternalID, "external id": ExternalID, "record id": ExternalID, "object id": ExternalID, "reference": ExternalID, "reference id": ExternalID, "reference number": ExternalID, "unique id": ExternalID, "id number": ExternalID, "rec id": ExternalID, "ref": ExternalID, "code": ExternalID, "code number": ExternalID, "legacy id": ExternalID, "system id": ExternalID, "customer number": ExternalID, "organisation number": ExternalID, "contact code": ExternalID, "member number": ExternalID, "external reference": ExternalID, "external key": ExternalID, "deal number": ExternalID, "order number": ExternalID, "ext id": ExternalID, "source id": ExternalID, "original id": ExternalID, "crm id": ExternalID, "sku": ExternalID, "product code": ExternalID, "old id": ExternalID, "id id": ExternalID,
		"customer type": Kind, "party type": Kind, "contact type": Kind, "kind": Kind, "is organisation": Kind, "customer kind": Kind, "organisation type": Kind,
		"owner": Owner, "owner name": Owner, "owner to": Owner, "owner email": Owner, "owner email address": Owner, "owner id": Owner, "owner full name": Owner, "sales owner": Owner, "sales person": Owner, "sales agent": Owner, "sales representative": Owner, "organisation manager": Owner, "organisation owner": Owner, "owner by": Owner, "support owner": Owner, "support owner id": Owner, "record owner": Owner, "owner user": Owner, "sales executive": Owner, "responsible": Owner, "responsible person": Owner, "owner alias": Owner, "agent": Owner, "organisation executive": Owner,
		"created": Created, "created at": Created, "created date": Created, "date created": Created, "first seen": Created, "customer since": Created, "member since": Created, "registration date": Created, "date of created": Created, "record created": Created, "created at date": Created, "connected at": Created, "date joined": Created, "sign up date": Created, "signed up": Created, "sign up": Created, "optin date": Created, "opt in date": Created, "entry date": Created, "first visit": Created, "date entered": Created, "date registration": Created, "subscription date": Created, "subscribed at": Created,
		"updated": Updated, "updated at": Updated, "last updated": Updated, "last updated date": Updated, "updated date": Updated, "date updated": Updated, "last updated at": Updated, "last date updated": Updated, "last change": Updated, "last changed": Updated, "rev": Updated,
		"tags": Tags, "labels": Tags, "label": Tags, "group membership": Tags, "category": Tags, "group": Tags, "groups": Tags, "list": Tags, "segment": Tags, "segments": Tags, "tags name": Tags,
		"notes": Notes, "description": Notes, "remarks": Notes, "notes text": Notes, "background": Notes, "notes notes": Notes, "about": Notes, "message": Notes, "additional information": Notes, "second information": Notes,
		"source": Source, "lead source": Source, "original source": Source, "created source": Source, "acquisition source": Source, "channel": Source, "origin": Source, "customer source": Source, "referral source": Source, "contact source": Source,
		"status": Status, "lead status": Status, "customer status": Status, "deal status": Status, "contact status": Status, "lifecycle stage": Lifecycle, "lifecycle": Lifecycle, "life cycle stage": Lifecycle, "customer stage": Lifecycle, "contact stage": Lifecycle,
		"accepts email marketing": Consent, "email opt in": Consent, "email opt out": Consent, "email consent": Consent, "email marketing consent": Consent, "email marketing": Consent, "email marketing status": Consent, "email marketing opt in": Consent, "email optin": Consent, "email optout": Consent, "email subscription status": Consent, "accepts marketing": Consent, "marketing consent": Consent, "opt in": Consent, "opt out": Consent, "subscribed": Consent, "newsletter": Consent, "has opted out of email": Consent, "opted out of email": Consent, "unsubscribed": Consent, "unsubscribed from email": Consent, "unsubscribed from all email": Consent, "do not email": Consent, "email subscribed": Consent, "accept email marketing": Consent, "marketing opt in": Consent, "email subscription": Consent, "email permission": Consent, "email status": Consent, "email marketing permission": Consent, "email permission status": Consent, "marketing email": Consent, "can email": Consent, "email allowed": Consent,

		"deal name": Title, "deal title": Title, "product name": Title, "deal": Title, "product": Title, "subject": Title, "order name": Title, "product title": Title, "task": Title, "task name": Title,
		"amount": Amount, "deal amount": Amount, "deal value": Amount, "value": Amount, "total amount": Amount, "sum": Amount, "expected amount": Amount, "estimated value": Amount, "close value": Amount, "deal size": Amount, "amount total": Amount, "total": Amount, "total price": Amount, "estimated amount": Amount, "total value": Amount,
		"price": Price, "unit price": Price, "list price": Price, "sales price": Price, "price each": Price, "retail price": Price, "selling price": Price, "currency": Currency, "currency code": Currency, "amount currency": Currency, "deal currency": Currency, "currency iso code": Currency, "currency iso": Currency, "quantity": Quantity,
		"stage": Stage, "deal stage": Stage, "sales stage": Stage, "pipeline stage": Stage, "stage name": Stage, "deal stage name": Stage, "pipeline": Pipeline, "deal pipeline": Pipeline, "sales pipeline": Pipeline, "pipeline name": Pipeline,
		"probability": Probability, "win probability": Probability, "deal probability": Probability, "win rate": Probability, "close date": CloseDate, "expected close date": CloseDate, "close at": CloseDate, "date close": CloseDate, "estimated close date": CloseDate, "deal close date": CloseDate, "expected close": CloseDate, "close at date": CloseDate, "expected at close": CloseDate,
		"spent": Spent, "total spent": Spent, "amount spent": Spent, "money spent": Spent, "lifetime value": Spent, "customer lifetime value": Spent, "total sales": Spent, "lifetime spent": Spent, "total revenue": Spent, "lifetime revenue": Spent, "life time value": Spent, "total order value": Spent, "total orders value": Spent,
		"orders": Orders, "total order": Orders, "total orders": Orders, "orders count": Orders, "order count": Orders, "number of order": Orders, "number of orders": Orders, "transaction count": Orders, "total transactions": Orders, "number of transactions": Orders,
	}

	// owners are words that say whose the value is.
	owners = map[string]string{
		"customer": "person", "contact": "person", "person": "person", "lead": "person", "member": "person", "user": "person",
		"organisation": "organisation", "supplier": "organisation", "vendor": "organisation",
		"deal": "deal", "product": "product", "order": "order", "owner": "owner", "employees": "owner",
	}

	// places are words that say where.
	places = map[string]string{
		"home": "home", "work": "work", "mobile": "mobile", "other": "other",
		"billing": "billing", "shipping": "shipping", "mailing": "mailing", "organisation": "work",
	}

	// numbers are words that say which of several.
	numbers = map[string]int{
		"main": 1, "first": 1, "1": 1, "one": 1, "second": 2, "2": 2, "two": 2, "3": 3, "third": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": 9,
	}

	// idle are words that say nothing more.
	idle = map[string]bool{
		"value": true, "field": true, "my": true, "your": true, "the": true, "full": true, "current": true, "main": true, "associated": true, "address": true, "number": true, "text": true, "record": true,
		"utc": true, "gmt": true, "date": true, "of": true, "required": true, "optional": true, "raw": true, "formatted": true, "original": true, "info": true, "information": true, "details": true, "data": true, "local": true,
		"addresses": true, "person": true, "complete": true, "iso": true, "short": false,
	}

	// opposites are words by which yes means no.
	opposites = map[string]bool{"out": true, "optout": true, "unsubscribed": true, "opted": true, "not": true}
)

// longestChinese is the length of the longest word of chinese, in characters.
const longestChinese = 8
